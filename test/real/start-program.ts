/** Programs that run for minutes, several at the same time. */
import { spawn } from 'node:child_process'

/** Runs a program. @returns what it wrote to stdout @throws Error if its exit status is not 0 */
export function start(program: string, args: readonly string[], options: { cwd?: string } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...options,
      env: { ...process.env, LC_ALL: 'C.UTF-8', TZ: 'UTC' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const [out, err]: [Buffer[], Buffer[]] = [[], []]
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) resolve(Buffer.concat(out).toString())
      else reject(new Error(`${program} ${args.join(' ')}: exit ${code ?? signal}\n${Buffer.concat(err)}`))
    })
  })
}
