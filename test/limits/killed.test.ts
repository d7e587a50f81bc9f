import { it } from 'node:test'
import { killAndCount } from '../support/limits-kills.ts'

it('a program that is killed again and again spends no more than its budget and its rate', () => killAndCount(6))
