import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

// USER_HZ, the unit of proc_pid_stat(5), is 100 on every Linux architecture that Node supports.
const microsecondsPerTick = 10_000

/** CPU time the process, its threads and its children have used so far, user and system, in µs. */
export function cpuMicroseconds(pid: number): number {
  return processTree(pid).reduce((sum, each) => {
    const fields = statFields(each)
    return sum + (Number(fields[11]) + Number(fields[12])) * microsecondsPerTick
  }, 0)
}

/** Resident memory of the process and its children, in MB: now, and at most since `resetPeakMemory`. */
export function memoryMb(pid: number): { now: number; peak: number } {
  const total = { now: 0, peak: 0 }
  for (const each of processTree(pid)) {
    const status = readFileSync(`/proc/${each}/status`, 'utf8')
    total.now += Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024
    total.peak += Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]) / 1024
  }
  return total
}

export function resetPeakMemory(pid: number): void {
  for (const each of processTree(pid)) writeFileSync(`/proc/${each}/clear_refs`, '5')
}

/** The process and its descendants. */
export function processTree(root: number): number[] {
  const parents = new Map<number, number>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      parents.set(Number(entry), Number(statFields(Number(entry))[1]))
    } catch {
      // Ended while the directory was read.
    }
  }
  const tree = [root]
  for (const pid of tree) {
    for (const [child, parent] of parents) if (parent === pid) tree.push(child)
  }
  return tree
}

/** Fields of /proc/PID/stat from the third on: the second, the name in parentheses, may contain blanks. */
function statFields(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}
