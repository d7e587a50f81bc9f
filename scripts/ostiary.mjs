#!/usr/bin/env node
// The `ostiary` command of a checkout: installs what is missing, then runs the CLI on the pinned Node.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { install, runInPlace } from './run.mjs'

install('run')
runInPlace([join(dirname(fileURLToPath(import.meta.url)), '..', 'src', 'main.ts'), ...process.argv.slice(2)])
