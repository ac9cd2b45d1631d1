/** The option `--timings`, and what it prints. */
import type { OptionTable } from '../options.ts'
import type { Output } from '../text/output.ts'
import { formatTable } from '../text/table.ts'
import { STAGES, type StageTimes } from './stage-clock.ts'

/** `--timings` of commands that import an image. */
export const TIMINGS_OPTION = {
  timings: { type: 'flag', help: 'Print how long each stage took; layers are imported in one thread then' },
} as const satisfies OptionTable

/** Prints the seconds and the share of each stage. */
export function printTimings(out: Output, times: StageTimes): void {
  const total = STAGES.reduce((sum, stage) => sum + times[stage], 0)
  const row = (name: string, seconds: number): string[] => [
    name,
    `${seconds.toFixed(3).padStart(8)} s`,
    `${((total === 0 ? 0 : seconds / total) * 100).toFixed(1).padStart(5)} %`,
  ]
  out.write(formatTable([...STAGES.map((stage) => row(stage, times[stage])), row('total', total)]))
}
