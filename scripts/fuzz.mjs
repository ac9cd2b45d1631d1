// Tries changed inputs on every decoder and reader of the library (test/fuzz/targets.ts), each in a process of its own.
//
//   npm run fuzz -- [--inputs=100000] [--seed=1] [--target=TEXT] [--parallel=2] [--no-coverage] [--input=BASE64] [--keep=N]
//
// Inputs are shared out among the targets, whose names contain TEXT. Those that reach new blocks of the code are changed in
// their turn; `--no-coverage` keeps only those whose error is new, which is twice as fast. `--input` tries one input. With
// `--keep` the first N of those inputs that have at most 1 KiB are written to test/fuzz/corpus/, which all runs begin with. The
// exit status is 1 if an input breaks a rule: gives anything but a result or an error of the library, takes more than two
// seconds of processor time, or needs more memory than inputs of its size may. Such an input is printed in base64, and
// belongs to test/fuzz/corpus/TARGET.txt as soon as the fault is mended.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildSync } from 'esbuild'
import { temporaryFolder } from './temporary.mjs'

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    target: { type: 'string', default: '' },
    parallel: { type: 'string', default: String(availableParallelism()) },
    'no-coverage': { type: 'boolean', default: false },
    input: { type: 'string' },
    keep: { type: 'string', default: '0' },
  },
})
const root = join(import.meta.dirname, '..')
/** MiB that the process of a target may need. The heap of the runtime with the sound inputs is about 150 of them. */
const MOST_MEMORY = 768
/** Bytes of inputs that `--keep` keeps. */
const MOST_KEPT_BYTES = 1024

const folder = temporaryFolder(join(root, 'node_modules', '.fuzz'))
const program = join(folder, 'main.mjs')
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
buildSync({
  entryPoints: [join(root, 'test/fuzz/main.ts')],
  outfile: program,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  logLevel: 'error',
  // Golden files and kept inputs are found from the folder of their module.
  define: { 'import.meta.url': JSON.stringify(`file://${join(root, 'test/support/golden.ts')}`) },
})

/** Runs the program, whose watchdog ends it when an input hangs. */
function run(args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let err = ''
    child.stdout.on('data', (text) => {
      out += text
    })
    child.stderr.on('data', (text) => {
      err += text
    })
    child.on('close', (code, signal) => resolve({ out, err, code, signal }))
  })
}

/** Adds inputs in base64 to the kept ones of a target.  */
function keep(name, inputs) {
  const small = inputs.filter((input) => input.length > 0 && input.length <= (MOST_KEPT_BYTES * 4) / 3)
  const chosen = small.slice(0, Number(values.keep))
  if (chosen.length === 0) return
  const path = join(root, 'test/fuzz/corpus', `${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}.txt`)
  mkdirSync(dirname(path), { recursive: true })
  const known = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
  writeFileSync(path, [...new Set([...known, ...chosen]), ''].join('\n'))
}

const list = await run([])
if (list.code !== 0) throw new Error(list.err)
const targets = JSON.parse(list.out)
const chosen = [...targets.keys()].filter((i) => targets[i].name.includes(values.target))
const shares = chosen.reduce((sum, i) => sum + targets[i].share, 0)
const totals = { inputs: 0, accepted: 0, faults: 0 }
const waiting = [...chosen]
async function work() {
  for (let i = waiting.shift(); i !== undefined; i = waiting.shift()) {
    const { name, share } = targets[i]
    const start = Date.now()
    const options = {
      target: i,
      inputs: values.input === undefined ? Math.ceil((Number(values.inputs) * share) / shares) : 0,
      seed: Number(values.seed),
      coverage: !values['no-coverage'],
      input: values.input,
    }
    const { out, err, code, signal } = await run([JSON.stringify(options)])
    const seconds = ((Date.now() - start) / 1000).toFixed(1)
    if (code !== 0) {
      totals.faults++
      console.log(`${name}: ended with ${code ?? signal}\n${err}`)
      continue
    }
    const { faults, inputs, accepted, kept, blocks, peak } = JSON.parse(out)
    keep(name, kept)
    totals.inputs += inputs
    totals.accepted += accepted
    totals.faults += faults.length
    const numbers = [`${inputs} inputs`, `${accepted} accepted`, `${kept.length} kept`, `${blocks} blocks`]
    console.log(`${name.padEnd(32)} ${numbers.map((text) => text.padStart(15)).join(' ')} ${seconds} s, ${peak} MiB`)
    for (const { input, what } of faults) console.log(`  ${what}\n  input: ${input}`)
    if (peak > MOST_MEMORY) {
      totals.faults++
      console.log(`  needs ${peak} MiB`)
    }
  }
}
await Promise.all(Array.from({ length: Number(values.parallel) }, work))
console.log(`${totals.inputs} inputs, ${totals.accepted} of them accepted; ${totals.faults} faults`)
process.exitCode = totals.faults > 0 ? 1 : 0
