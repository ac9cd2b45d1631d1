/** `ostree-ts bench` as a whole: its report, its inputs, failures of other programs, and what it leaves behind. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Report } from '../../../src/cli/bench/report/report.ts'
import { STAGES } from '../../../src/cli/stages/stage-clock.ts'
import { packLayer } from '../../../src/testing/index.ts'
import { BuiltCommand } from '../../support/built-command.ts'
import { temporaryFolder } from '../../support/temporary.ts'

describe('`bench`', () => {
  let program: BuiltCommand
  let root: string
  let place: string

  beforeAll(async () => {
    program = await BuiltCommand.build({ container: true })
    root = temporaryFolder()
    place = join(root, 'place')
    mkdirSync(place)
  })

  function bench(...words: string[]): Report {
    const { rc, stdout, stderr } = program.run(['bench', `--place=${place}`, '--rounds=1', '--json', ...words], root)
    expect({ rc, stderr }).toEqual({ rc: 0, stderr: '' })
    expect(readdirSync(place)).toEqual([])
    return JSON.parse(stdout) as Report
  }

  test('measures stores and commands beside the floor, and writes the report as HTML', () => {
    const html = join(root, 'report.html')
    const report = bench(
      '--scenario=small-files',
      '--scale=0.001',
      '--store=bare-user-only',
      '--store=memory',
      '--lanes=2',
      '--no-system-calls',
      '--peer=copy=cp {layer} {target}',
      '--peer=broken=echo no such {layer} >&2; exit 3',
      `--html=${html}`,
    )
    expect(report).toMatchObject({ rounds: 1, seed: 1, scale: 0.001, lanes: 2 })
    expect(report.machine.versions['node']).toBe(process.version)
    const [result] = report.results
    expect(result).toMatchObject({ name: 'small-files', layers: 1, files: 52 })
    const rows = Object.fromEntries((result?.rows ?? []).map((row) => [row.name, row]))
    expect(Object.keys(rows)).toEqual(['floor', 'bare-user-only', 'memory', 'copy', 'broken'])
    for (const name of ['floor', 'bare-user-only', 'memory']) {
      const { seconds, processor, filesPerSecond = 0, bytesPerSecond = 0 } = rows[name] ?? {}
      expect(seconds?.median, name).toBeGreaterThan(0)
      expect(processor?.median, name).toBeGreaterThan(0.02)
      expect(filesPerSecond).toBeCloseTo(52 / (seconds?.median ?? 0), 3)
      expect(bytesPerSecond).toBeCloseTo((result?.content ?? 0) / (seconds?.median ?? 0), 3)
      if (existsSync('/proc/self/status')) expect(rows[name]?.peak?.max, name).toBeGreaterThan(2 ** 24)
    }
    expect(rows['floor']?.againstFloor).toBe(1)
    expect(Object.keys(rows['bare-user-only']?.stages ?? {})).toEqual([...STAGES])
    expect(rows['memory']?.stages).toBeUndefined()
    expect(rows['broken']?.error).toMatch(/^no such .*0\.tar$/)
    expect(readFileSync(html, 'utf8')).toContain('<h2>small-files</h2>')
  })

  test('measures layers in files, and images', async () => {
    const tar = await packLayer([
      { path: 'usr/', type: 'directory' },
      { path: 'usr/a', body: new TextEncoder().encode('content') },
    ])
    writeFileSync(join(root, 'plain.tar'), tar)
    writeFileSync(join(root, 'layer.tar.gz'), gzipSync(tar))
    const report = bench(
      `--layer=${join(root, 'plain.tar')}`,
      `--layer=${join(root, 'layer.tar.gz')}`,
      `--image=oci:${join(process.cwd(), 'examples/exampleos')}:1.0`,
      '--store=sqlite',
      '--no-system-calls',
    )
    expect(report.results.map(({ layers, files }) => ({ layers, files }))).toMatchObject([
      { layers: 3 },
      { layers: 2, files: 2 },
    ])
  })

  test.each(['SIGINT', 'SIGTERM'] as const)('leaves no files and no processes when %s ends it', async (name) => {
    const words = ['bench', `--place=${place}`, '--scale=0.02', '--store=sqlite', '--no-system-calls', '--json']
    const child = spawn(
      'sh',
      ['-c', `exec ${program.shellCommand} "$@"`, 'sh', ...words, '--peer=wait=sleep 97.5 {target}{blob}'],
      {
        cwd: root,
      },
    )
    const ended = once(child, 'close')
    const isRunning = () => readdirSync(place).some((folder) => existsSync(join(place, folder, 'run')))
    while (child.exitCode === null && !isRunning()) await new Promise((resolve) => setTimeout(resolve, 5))
    child.kill(name)
    const [, signal] = await ended
    expect(signal).toBe(name)
    expect(readdirSync(place)).toEqual([])
    const left = readdirSync('/proc')
      .filter((pid) => /^\d+$/.test(pid))
      .filter((pid) => {
        try {
          return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(place)
        } catch {
          return false
        }
      })
    expect(left).toEqual([])
  })
})
