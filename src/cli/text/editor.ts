/** Lets the user write a commit message in an editor. Source: ot-editor.c; ot-builtin-commit.c, commit_editor. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UsageError } from '../../errors.ts'
import { fileError, readTextFile, writeFile } from '../values.ts'

/** The values to show in the template of the message, and the environment that names the editor. */
export interface MessageRequest {
  readonly branch: string | undefined
  readonly subject: string | undefined
  readonly body: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * Opens an editor with a template and returns the message written there.
 * @throws {UsageError} when the subject is empty, the editor fails, or none is configured and the terminal is dumb
 * @throws {IoError} when the file of the message cannot be written, or the editor has removed it
 * @throws {FormatError} when the message is not UTF-8
 */
export function editMessage(request: MessageRequest): { subject: string; body: string } {
  const { subject, body } = parseMessage(edit(template(request), request.env))
  if (subject === '') throw new UsageError('Aborting commit due to empty commit subject.')
  return { subject, body }
}

function template({ branch, subject, body }: MessageRequest): string {
  const lines = [
    '',
    '# Please enter the commit message for your changes. The first line will',
    '# become the subject, and the remainder the body. Lines starting',
    "# with '#' will be ignored, and an empty message aborts the commit.",
  ]
  if (branch !== undefined) lines.push('#', `# Branch: ${branch}`)
  if (subject !== undefined) lines.push(subject)
  if (body !== undefined) lines.push(body)
  return `${lines.join('\n')}\n`
}

/**
 * Splits a message. The first non-empty line is the subject; the rest, without leading and trailing empty lines, is the
 * body. Lines that begin with `#` are dropped.
 */
export function parseMessage(text: string): { subject: string; body: string } {
  const lines = text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.trimEnd())
  const first = lines.findIndex((line) => line !== '')
  if (first < 0) return { subject: '', body: '' }
  const rest = lines.slice(first + 1)
  const start = rest.findIndex((line) => line !== '')
  return { subject: lines[first] ?? '', body: start < 0 ? '' : rest.slice(start).join('\n').trimEnd() }
}

function edit(text: string, env: MessageRequest['env']): string {
  const editor = editorOf(env)
  const folder = makeFolder()
  try {
    const file = join(folder, 'COMMIT_MESSAGE')
    writeFile(file, text, 0o600)
    const { status, signal, error } = spawnSync('sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' })
    if (error !== undefined || status !== 0) {
      const reason = error?.message ?? (signal === null ? `exited with code ${status}` : `killed by signal ${signal}`)
      // Without a colon, as ostree prints it.
      throw new UsageError(`There was a problem with the editor '${editor}'Child process ${reason}`)
    }
    return readTextFile(file)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function makeFolder(): string {
  const prefix = join(tmpdir(), 'ostree-')
  try {
    return mkdtempSync(prefix)
  } catch (error) {
    throw fileError(error, prefix, (reason) => `Failed to create file \u201c${prefix}XXXXXX\u201d: ${reason}`)
  }
}

function editorOf(env: MessageRequest['env']): string {
  const dumb = env['TERM'] === undefined || env['TERM'] === 'dumb'
  const editor = env['OSTREE_EDITOR'] ?? (dumb ? undefined : env['VISUAL']) ?? env['EDITOR']
  if (editor !== undefined) return editor
  if (dumb) throw new UsageError('Terminal is dumb, but EDITOR unset')
  return 'vi'
}
