import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, loadavg, totalmem } from 'node:os'

/** Prints rows in columns, the first one as the heading, in the form of a Markdown table. */
export function printTable(heading: string, rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map(row => row[column]?.length ?? 0)),
  )
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const [head = [], ...rest] = rows
  const rule = line(widths.map(width => '-'.repeat(width)))
  process.stdout.write(`\n${heading}\n\n${[line(head), rule, ...rest.map(line)].join('\n')}\n`)
}

/** What the figures depend on. */
export function printMachine(): void {
  const cpu = /^model name\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]
  const commit = execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' })
  const gib = (totalmem() / 2 ** 30).toFixed(0)
  const load = loadavg()[0]?.toFixed(2)
  process.stdout.write(
    `${availableParallelism()} cores of ${cpu ?? process.arch}, ${gib} GiB, ` +
      `Node ${process.version}, commit ${commit.trim()}, load before ${load}\n`,
  )
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The smallest value that at least this part of all values is not above. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN
}

export function thousands(value: number): string {
  return value >= 10_000 ? `${(value / 1000).toFixed(1)}k` : value.toFixed(0)
}
