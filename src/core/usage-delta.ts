import type { Environment } from './principal.ts'

/** What the roll-ups count. Each is an integer of at most `MAX_COUNT`, where it stays. */
export const usageCounts = [
  'requests',
  'failed',
  'refused',
  'input',
  'cachedInput',
  'cacheWrite',
  'output',
  'reasoning',
  'audioInput',
  'audioOutput',
  'imageInput',
  'imageOutput',
  'costNanoUsd',
  'unpriced',
  'estimated',
] as const

export type UsageCount = (typeof usageCounts)[number]

/** The greatest integer that every number of the program is exact up to. */
export const MAX_COUNT = Number.MAX_SAFE_INTEGER

export const HOUR_MS = 3_600_000

/** What usage is told apart by. */
export interface UsageGroup {
  /** Beginning of the hour (UTC) in which the calls began, ms since the epoch. */
  readonly hour: number
  readonly project: string
  /** Id of the key. */
  readonly key: string
  /** Empty until people call. */
  readonly user: string
  /** As the caller named it; empty where the call had come to none, `*` = further names beyond the bound. */
  readonly model: string
  /** Empty where the call had come to none. */
  readonly provider: string
  readonly environment: Environment
}

/**
 * What calls of one group add to its hour: all `requests`, of which some `failed` (the provider or the gateway) or were
 * `refused` (by the gateway, after it knew the caller); tokens; cost; how many used something without a price
 * (`unpriced`), and of how many the gateway estimated what they used (`estimated`).
 */
export interface UsageDelta extends UsageGroup, Readonly<Record<UsageCount, number>> {}
