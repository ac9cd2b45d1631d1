import { accessSync, constants, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import { UsageError } from '../../errors.ts'
import { withIo } from '../../system/errno.ts'
import { nodeFiles } from '../../system/local-files.ts'
import type { InputPlan } from '../bench/inputs/make-input.ts'
import type { Report } from '../bench/report/report.ts'
import type { ChildWork } from '../bench/runs/child-work.ts'
import type { Result } from '../bench/runs/session.ts'
import { DEFAULT_STORES, parseStore } from '../bench/runs/stores.ts'
import { SCENARIOS } from '../bench/scenarios/scenarios.ts'
import { command } from '../command.ts'
import { StatusLine } from '../text/status-line.ts'
import { formatTable } from '../text/table.ts'
import { JSON_OPTION, writeFile } from '../values.ts'

/** The scenario that is measured unless something else is asked for. */
const DEFAULT_SCENARIO = 'small-files'
const DEFAULT_ROUNDS = 5
const MAX_LANES = 64
/** A file system in memory. */
const MEMORY = '/dev/shm'

/** Returns the directory to measure in: one in memory if there is one, else that of temporary files. */
function defaultPlace(): string {
  try {
    accessSync(MEMORY, constants.W_OK)
    return statSync(MEMORY).isDirectory() ? MEMORY : tmpdir()
  } catch {
    return tmpdir()
  }
}

/** Parses a number. @throws {UsageError} when it is not from `least` to `most` */
function inRange(value: number | undefined, fallback: number, name: string, [least, most]: readonly [number, number]) {
  if (value === undefined) return fallback
  if (!(value >= least && value <= most)) {
    throw new UsageError(`Invalid --${name}: ${value} is not from ${least} to ${most}`, name)
  }
  return value
}

/** Parses the work of a process that `bench` itself has started. @throws {UsageError} when it is not JSON */
function childWork(text: string): ChildWork {
  try {
    return JSON.parse(text) as ChildWork
  } catch {
    throw new UsageError('Invalid --child: not JSON', 'child')
  }
}

export const bench = command({
  name: 'bench',
  summary: 'Measure the import of images, beside other programs',
  usage: '',
  repo: false,
  long: true,
  options: {
    image: { type: 'strings', arg: 'REF', help: 'Measure an image; may be repeated, as the next two' },
    layer: { type: 'strings', arg: 'FILE', help: 'Measure a layer, plain or compressed; all together are one image' },
    scenario: { type: 'strings', arg: 'NAME', help: 'Measure a generated image (default: small-files)' },
    list: { type: 'flag', help: 'List the scenarios' },
    seed: { type: 'integer', arg: 'N', help: 'Seed of the generated images (default: 1)' },
    scale: { type: 'number', arg: 'FACTOR', help: 'Multiply the number of files of the scenarios, or their sizes' },
    store: {
      type: 'strings',
      arg: 'KIND',
      help: 'Import into sqlite, bare-user-only, bare-user, bare, archive or memory (default: all but the last and bare)',
    },
    lanes: { type: 'integer', arg: 'N', help: 'Import up to N layers at the same time' },
    peers: { type: 'flag', help: 'Measure other programs, too, as far as they are installed' },
    peer: {
      type: 'strings',
      arg: 'NAME=COMMAND',
      help: 'Measure a command with {image}, {layout}, {layer} or {blob}, and {target} in it',
    },
    rounds: { type: 'integer', arg: 'N', help: 'Rounds that count (default: 5); one more warms up' },
    place: { type: 'string', raw: true, arg: 'DIR', help: 'Measure in DIR (default: in memory)' },
    'no-system-calls': { type: 'flag', help: 'Do not count system calls, for which strace runs everything once more' },
    ...JSON_OPTION,
    html: { type: 'string', raw: true, arg: 'FILE', help: 'Write a report with charts to FILE' },
    child: { type: 'string', hidden: true },
  },
  async run({ options, args, out, err, signal, usageError }) {
    if (options.child !== undefined) {
      const { doChildWork } = await import('../bench/runs/child-work.ts')
      const stages = await doChildWork(childWork(options.child))
      if (stages !== undefined) out.json(stages)
      return
    }
    if (args.length > 0) throw usageError('Too many arguments')
    if (options.list) {
      if (options.json) for (const { name, summary } of SCENARIOS) out.json({ name, summary })
      else out.write(formatTable(SCENARIOS.map(({ name, summary }) => [name, summary])))
      return
    }
    const rounds = inRange(options.rounds, DEFAULT_ROUNDS, 'rounds', [1, 1000])
    const scale = inRange(options.scale, 1, 'scale', [1e-6, 100])
    const lanes = options.lanes === undefined ? null : inRange(options.lanes, 1, 'lanes', [1, MAX_LANES])
    const seed = options.seed ?? 1
    const stores = options.store.length === 0 ? DEFAULT_STORES : [...new Set(options.store)].map(parseStore)

    const { planImage, planLayers, planScenario } = await import('../bench/inputs/make-input.ts')
    const { PEERS, isInstalled, parsePeer, peerContender } = await import('../bench/runs/peers.ts')
    const { FLOOR, storeContender } = await import('../bench/runs/own-contenders.ts')
    const { describeMachine } = await import('../bench/runs/machine.ts')
    const { measureInput } = await import('../bench/runs/session.ts')

    const named = options.scenario.map((name) => {
      const scenario = SCENARIOS.find((known) => known.name === name)
      if (scenario === undefined) throw new UsageError(`Unknown scenario '${name}'; --list lists them`, 'scenario')
      return planScenario(scenario, scale, seed)
    })
    const plans: InputPlan[] = [...options.image.map((reference) => planImage(reference)), ...named]
    if (options.layer.length > 0) plans.push(planLayers(options.layer))
    if (plans.length === 0) {
      for (const scenario of SCENARIOS) {
        if (scenario.name === DEFAULT_SCENARIO) plans.push(planScenario(scenario, scale, seed))
      }
    }
    const known = options.peers ? PEERS.filter(({ programs }) => programs.every((name) => isInstalled(name))) : []
    const peers = [...known, ...options.peer.map(parsePeer)]
    const contenders = [
      FLOOR,
      ...stores.map((store) => storeContender(store, lanes)),
      ...peers.map((peer) => peerContender(peer)),
    ]

    const place = resolve(options.place ?? defaultPlace())
    const programs = known.flatMap(({ programs }) => programs)
    // Described before anything is measured, because measuring raises the load.
    const machine = describeMachine(place, programs)
    const line = new StatusLine(err)
    const onStep = (text: string, left: number | undefined): void =>
      line.update(() => (left === undefined ? text : `${text}, about ${Math.ceil(left)} s left`))
    const systemCalls = !options['no-system-calls'] && isInstalled('strace')
    const results: Result[] = []
    const folder = await nodeFiles.createTemporary(place)
    try {
      for (const plan of plans) {
        results.push(await measureInput(plan, folder, { contenders, rounds, systemCalls, signal, onStep }))
      }
    } finally {
      line.end()
      withIo(folder, () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
    }

    const report: Report = { machine, rounds, seed, scale, lanes, results }
    if (options.html !== undefined) {
      const { htmlReport } = await import('../bench/report/html.ts')
      writeFile(options.html, htmlReport(report))
    }
    if (options.json) out.json(report)
    else out.write((await import('../bench/report/report.ts')).formatReport(report))
  },
})
