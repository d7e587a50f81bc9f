import { callProblems } from './call-problems.ts'
import { operatorProblems } from './operator-problems.ts'
import type { ProblemType } from './problem-type.ts'

const registry = { ...callProblems, ...operatorProblems }

export type ProblemCode = keyof typeof registry

/** The registry: everything that can go wrong, by code. */
export const problemTypes: Readonly<Record<ProblemCode, ProblemType>> = registry
