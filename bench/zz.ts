import { measureBoundedCalls, boundedCalls } from './bounded-calls.ts'
import { cpuRatio, findRow } from './measure.ts'
import { cleanUp, loadCore } from './processes.ts'
import { startUpstream } from './upstream.ts'
import { spawnSync } from 'node:child_process'
spawnSync('taskset', ['-acp', loadCore, `${process.pid}`])
try {
const up = await startUpstream()
const rows = await measureBoundedCalls(up, { seconds: 4, warmUpSeconds: 2, rounds: 4 } as never)
console.log(cpuRatio(findRow(rows, boundedCalls.load, boundedCalls.all)!, findRow(rows, boundedCalls.load, boundedCalls.none)!))
} finally { await cleanUp() }
