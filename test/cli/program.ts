/** The command as one bundle in a directory of its own, to be run like an installed one. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface RunResult {
  readonly rc: number | null
  readonly stdout: string
  readonly stderr: string
}

export class Program {
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** @param container with the container commands, which take longer to bundle */
  static async build({ container = false } = {}): Promise<Program> {
    const cache = join(ROOT, 'node_modules', '.cache')
    mkdirSync(cache, { recursive: true })
    const folder = mkdtempSync(join(cache, 'ostree-ts-'))
    await build({
      entryPoints: [join(ROOT, 'src/cli/main.ts')],
      outdir: folder,
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      packages: 'external',
      external: container ? [] : ['./commands/container/*'],
      logLevel: 'silent',
    })
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    return new Program(folder)
  }

  run(args: readonly string[], cwd: string, input = '', env: Record<string, string> = {}): RunResult {
    return spawn(process.execPath, [join(this.#folder, 'main.js'), ...args], cwd, input, env)
  }

  /** For a shell: what calls it. */
  get shellCommand(): string {
    return `'${process.execPath}' '${join(this.#folder, 'main.js')}'`
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

export function spawn(
  program: string,
  args: readonly string[],
  cwd: string,
  input = '',
  env: Record<string, string> = {},
): RunResult {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd,
    input,
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C.UTF-8', TZ: 'UTC', ...env },
  })
  return { rc: status, stdout, stderr }
}
