import { readdirSync, readFileSync } from 'node:fs'

/** Linux gives these times in hundredths of a second on every machine (USER_HZ). */
const TICKS_PER_SECOND = 100

/** Seconds of user and system time that a process has burnt so far. */
export function cpuSeconds(pid: number): number {
  const [, user, system] = timesOf(pid) ?? []
  return ((user ?? 0) + (system ?? 0)) / TICKS_PER_SECOND
}

/** The same of a process with all its children, those that ended already included. */
export function cpuSecondsOfFamily(pid: number): number {
  const own = timesOf(pid)
  if (own === null) return 0
  const [, user, system, endedUser, endedSystem] = own
  let ticks = user + system + endedUser + endedSystem
  for (const name of readdirSync('/proc')) {
    const child = /^\d+$/.test(name) ? timesOf(Number(name)) : null
    if (child?.[0] === pid) ticks += child[1] + child[2]
  }
  return ticks / TICKS_PER_SECOND
}

/** Bytes of a process that are in memory now. */
export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kib) * 1024
}

type Times = readonly [
  parent: number,
  user: number,
  system: number,
  endedUser: number,
  endedSystem: number,
]

/** Null when the process is gone. Source: proc_pid_stat(5), fields 4 and 14 to 17. */
function timesOf(pid: number): Times | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is a name in brackets and may hold spaces itself.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const at = (field: number) => Number(fields[field - 3])
    return [at(4), at(14), at(15), at(16), at(17)]
  } catch {
    return null
  }
}
