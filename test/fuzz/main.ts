/**
 * Runs one target for scripts/fuzz.mjs, with the options as JSON: `{"target": 3, "inputs": 1000, "seed": 1, …}`. Without
 * arguments it prints the names and shares of the targets.
 */
import { readCorpus } from './corpus.ts'
import { runTarget } from './run-target.ts'
import type { FuzzTarget } from './target.ts'
import { TARGETS } from './targets.ts'

const [, , text] = process.argv
if (text === undefined) console.log(JSON.stringify(TARGETS.map(({ name, share = 1 }) => ({ name, share }))))
else {
  const { target: number, ...options } = JSON.parse(text)
  const target = TARGETS[number] as FuzzTarget
  const given = options.input === undefined ? readCorpus(target.name) : [Buffer.from(options.input, 'base64')]
  const result = await runTarget(target, { ...options, corpus: given })
  console.log(JSON.stringify({ ...result, peak: Math.round(process.resourceUsage().maxRSS / 1024) }))
}
