/** The parts of `bench` that need no process: what is parsed, counted and printed. */
import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import type { Input } from '../../../src/cli/bench/inputs/input.ts'
import { htmlReport } from '../../../src/cli/bench/report/html.ts'
import { formatReport, type Report } from '../../../src/cli/bench/report/report.ts'
import { PEERS, parsePeer, shell } from '../../../src/cli/bench/runs/peers.ts'
import { childTime } from '../../../src/cli/bench/runs/processes.ts'
import { spreadOf } from '../../../src/cli/bench/runs/statistics.ts'
import { parseStore } from '../../../src/cli/bench/runs/stores.ts'
import { parseStrace } from '../../../src/cli/bench/runs/system-calls.ts'
import { runInProcess } from '../../support/in-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'

function layer(name: string) {
  return { blob: `/b/${name}`, tar: `/t/${name}`, compressed: 1, size: 1, files: 1, content: 1 }
}

const INPUT: Input = {
  name: 'x',
  layout: '/in put',
  image: "oci:/it's:bench",
  layers: [layer('0'), layer('$(1)')],
  files: 2,
  content: 2,
  compressed: 2,
  plain: 2,
}

describe('statistics', () => {
  test('are median, least and greatest', () => {
    expect(spreadOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 })
    expect(spreadOf([4, 1, 2, 3])).toEqual({ median: 2.5, min: 1, max: 4 })
    expect(spreadOf([undefined, 5])).toEqual({ median: 5, min: 5, max: 5 })
    expect(spreadOf([undefined])).toBeUndefined()
  })
})

describe('processor time', () => {
  test('is that of the children in the second line', () => {
    expect(childTime('0m0.01s 0m0.02s\n1m2.50s 0m0.25s\n')).toBe(62.75)
    expect(childTime('0m0,01s 0m0,02s\n0m2,50s 0m0,25s\n')).toBe(2.75)
    expect(childTime('')).toBeUndefined()
  })

  test('is what the shell of this machine prints', () => {
    const { stdout } = spawnSync('/bin/sh', ['-c', 'true; times'], { encoding: 'utf8' })
    expect(childTime(stdout)).toBeGreaterThanOrEqual(0)
  })
})

test('system calls are counted from the table of strace', () => {
  const text = `% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000600           6       100        20 openat
 40.00    0.000400           2       200           write
------ ----------- ----------- --------- --------- ----------------
100.00    0.001000           3       300        20 total
`
  expect(parseStrace(text)).toEqual({
    total: 300,
    most: [
      ['write', 200],
      ['openat', 100],
    ],
  })
  expect(parseStrace('')).toBeUndefined()
})

describe('commands of other programs', () => {
  test('get quoted values, and run once for each layer if they read layers', () => {
    expect(shell('x {image} {target}', INPUT, '/t')).toEqual(['/bin/sh', '-c', "x 'oci:/it'\\''s:bench' '/t'"])
    expect(shell('x {layer} {blob}', INPUT, '/t').at(-1)).toBe("x '/t/0' '/b/0' && x '/t/$(1)' '/b/$(1)'")
  })

  test('reach the program as they are', () => {
    const [program = '', ...args] = shell('printf %s {image}{layout}', INPUT, '/t')
    expect(spawnSync(program, args, { encoding: 'utf8' }).stdout).toBe(INPUT.image + INPUT.layout)
  })

  test('have a name, a command that reads something, and known placeholders', () => {
    expect(parsePeer('mine=x --y=1 {layer}')).toEqual({ name: 'mine', programs: [], command: 'x --y=1 {layer}' })
    expect(() => parsePeer('mine')).toThrow("Invalid peer 'mine', expected NAME=COMMAND")
    expect(() => parsePeer('mine=x')).toThrow('has none of {image}')
    expect(() => parsePeer('mine=x {layer} {nothing}')).toThrow('Unknown placeholder {nothing} of peer mine')
    for (const { name, command } of PEERS) expect(parsePeer(`${name}=${command}`)).toMatchObject({ command })
  })
})

test('an unknown store is refused', () => {
  expect(() => parseStore('bare-user-onl')).toThrow("Unknown store 'bare-user-onl', expected sqlite, ")
})

const spread = { median: 2, min: 1, max: 3 }
const REPORT: Report = {
  machine: {
    processor: 'P <&> "1"',
    processors: 2,
    memory: 1e9,
    system: 'linux',
    load: 0.5,
    fileSystem: 'tmpfs',
    versions: { node: 'v20' },
  },
  rounds: 3,
  seed: 1,
  scale: 1,
  lanes: null,
  results: [
    {
      name: '<script>',
      summary: 'a & b',
      layers: 1,
      files: 1000,
      content: 4e6,
      compressed: 1e6,
      rows: [
        {
          name: 'sqlite',
          kind: 'store',
          seconds: spread,
          processor: spread,
          peak: { median: 1e8, min: 1e8, max: 1e8 },
          filesPerSecond: 500,
          bytesPerSecond: 2e6,
          againstFloor: 1.25,
          stages: {
            fetch: spread,
            inflate: spread,
            digest: spread,
            parse: spread,
            hash: spread,
            write: spread,
            merge: spread,
            sync: spread,
          },
          systemCalls: { total: 9000, most: [['write', 9000]] },
        },
        { name: 'other', kind: 'peer', error: 'no <such> file' },
      ],
    },
  ],
}

describe('the report', () => {
  test('as text has the measurements of each row', () => {
    const text = formatReport(REPORT)
    expect(text).toMatch(
      /^sqlite +2\.00 \(1\.00 to 3\.00\) +1\.25 +2\.00 +500 +2\.0 +100\.0\u00a0MB +9000 \(9\.0 a file\)$/m,
    )
    expect(text).toMatch(/^other: failed: no <such> file$/m)
    expect(text).toMatch(/^stages, seconds +fetch +inflate +digest +parse +hash +write +merge +sync$/m)
  })

  test('as HTML needs nothing else, is well-formed, and shows names as text', () => {
    const html = htmlReport(REPORT)
    expect(html).not.toMatch(/<script|<link|src=|href=|url\(/)
    expect(html).toContain('&lt;script&gt;')
    expect(html).toContain('P &lt;&amp;&gt; &quot;1&quot;')
    expect(html).toContain('failed: no &lt;such&gt; file')
    expect(html.match(/<svg /g)).toHaveLength(4)
    expect(html).not.toMatch(/NaN|undefined|Infinity/)
    const open: string[] = []
    for (const [, end, name = '', empty] of html.matchAll(/<(\/)?([a-z][a-z0-9]*)[^>]*?(\/)?>/g)) {
      if (empty !== undefined || name === 'meta') continue
      if (end === undefined) open.push(name)
      else expect(open.pop()).toBe(name)
    }
    expect(open).toEqual([])
  })
})

describe('the command', () => {
  const folder = temporaryFolder()

  test('lists the scenarios', async () => {
    const { stdout, status } = await runInProcess(['bench', '--list'], folder)
    expect(status).toBe(0)
    expect(stdout).toMatch(/^small-files +52,000 files in 60 MB, one layer$/m)
    const json = await runInProcess(['bench', '--list', '--json'], folder)
    const rows = json.stdout.trimEnd().split('\n')
    expect(rows.map((row) => Object.keys(JSON.parse(row)))).toEqual(rows.map(() => ['name', 'summary']))
    expect(rows).toHaveLength(11)
  })

  test.each([
    [['--rounds=0'], 'Invalid --rounds: 0 is not from 1 to 1000'],
    [['--scale=0'], 'Invalid --scale: 0 is not from 0.000001 to 100'],
    [['--lanes=65'], 'Invalid --lanes: 65 is not from 1 to 64'],
    [['--store=xfs'], "Unknown store 'xfs', expected sqlite, bare-user-only, bare-user, bare, archive, memory"],
    [['--scenario=huge'], "Unknown scenario 'huge'; --list lists them"],
    [['--peer=x'], "Invalid peer 'x', expected NAME=COMMAND"],
    [['--child={'], 'Invalid --child: not JSON'],
    [['more'], 'Too many arguments'],
  ])('refuses %j', async (words, message) => {
    const { stderr, status } = await runInProcess(['bench', ...words], folder)
    expect(status).toBe(1)
    expect(stderr).toContain(message)
  })
})
