/** The command, bundled into a directory of its own and run like an installed one. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { temporaryFolder } from './temporary.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface RunResult {
  readonly rc: number | null
  readonly stdout: string
  readonly stderr: string
}

export class BuiltCommand {
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
  }

  /**
   * Bundles the command.
   * @param container with the container commands, which take longer to bundle
   */
  static async build({ container = false } = {}): Promise<BuiltCommand> {
    const folder = temporaryFolder('modules')
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
    return new BuiltCommand(folder)
  }

  /** Runs the command. */
  run(args: readonly string[], cwd: string, input = '', env: Record<string, string> = {}): RunResult {
    return spawn(process.execPath, [join(this.#folder, 'main.js'), ...args], cwd, input, env)
  }

  /** What starts the command in a shell script. */
  get shellCommand(): string {
    return `'${process.execPath}' '${join(this.#folder, 'main.js')}'`
  }
}

/** Runs a program that may fail. */
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
