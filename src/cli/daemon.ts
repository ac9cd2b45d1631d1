/** Runs the command of this process in the background: in a second process, for which the first waits until it is ready. */

import { spawn } from 'node:child_process'
import { IoError } from '../errors.ts'
import type { OptionTable } from './options.ts'
import type { Output } from './text/output.ts'

/** Given to the process in the background, whose standard streams are `/dev/null`. */
export const DAEMON_OPTION = { 'daemon-child': { type: 'flag', hidden: true } } as const satisfies OptionTable

/**
 * Starts the process in the background with the arguments of this one.
 * @param err receives what the process prints on standard error when it fails
 * @returns the text that the process passes to `becomeReady`
 * @throws {IoError} `Child process failed during setup` when the process ends before that
 */
export function startDaemon(err: Output): Promise<string> {
  const [program = '', ...args] = process.argv.slice(1)
  const child = spawn(process.execPath, [...process.execArgv, program, '--daemon-child', ...args], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const printed: Buffer[] = []
  child.stderr?.on('data', (chunk: Buffer) => printed.push(chunk))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('message', (message) => {
      child.stderr?.destroy()
      child.disconnect()
      child.unref()
      resolve(String(message))
    })
    child.once('close', () => {
      err.write(Buffer.concat(printed))
      reject(new IoError('Child process failed during setup', 'ECHILD'))
    })
  })
}

/** Tells the process that waits that this one is ready, and gives up what the two share. */
export function becomeReady(text: string): void {
  process.send?.(text, undefined, undefined, () => {
    if (process.connected) process.disconnect()
  })
}
