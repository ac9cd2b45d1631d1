/** Serves a repository over HTTP, as `ostree pull` and flatpak read one: every file is at the path of an archive repository. */

import type { HttpHandler, HttpRequest, HttpResponse, LocalFiles } from '../platform/index.ts'
import type { Repo } from '../repo/index.ts'
import { isAbsent, RepoFilesView } from './repo-files.ts'
import { fileResponse, plainResponse } from './respond.ts'

/** How a repository is served. */
export interface ServeRepoOptions {
  /** Path of the repository in URLs, such as `/repo`. Default: the root. */
  readonly prefix?: string | undefined
  /** Reads local files. With it, objects of archives in directories are sent as they are stored, and in ranges. */
  readonly files?: LocalFiles | undefined
  /** Called with each error of the repository, such as a damaged object, after which the response has status 500. */
  readonly onError?: ((error: unknown, request: HttpRequest) => void) | undefined
}

/**
 * Returns a handler that publishes a repository, read-only. Modes other than `archive` are compressed while they are sent.
 * Configuration, refs and summary are those of the moment of each request.
 *
 * @example
 * const server = await listen(serveRepo(repo, { files: nodeFiles }), { port: 8080 })
 * // ostree remote add --no-gpg-verify here http://localhost:8080 && ostree pull here main
 */
export function serveRepo(repo: Repo, { prefix = '', files, onError }: ServeRepoOptions = {}): HttpHandler {
  const view = new RepoFilesView(repo, files)
  const base = `${prefix.replace(/\/+$/, '')}/`
  return async (request) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return methodNotAllowed()
    try {
      const path = pathOf(request.target)
      const found = path?.startsWith(base) ? await view.find(path.slice(base.length)) : undefined
      return found === undefined ? notFound() : await fileResponse(request, found)
    } catch (error) {
      if (isAbsent(error)) return notFound()
      onError?.(error, request)
      return plainResponse(500, 'Internal server error')
    }
  }
}

function notFound(): HttpResponse {
  return plainResponse(404, 'Not found')
}

function methodNotAllowed(): HttpResponse {
  return plainResponse(405, 'Method not allowed', { allow: 'GET, HEAD' })
}

/**
 * Returns the path of a request target, decoded; `undefined` when it is malformed, or when a part of it is empty, `.` or
 * `..`, or has a slash or a NUL after decoding. Two slashes in a row count as one, as in most servers.
 */
export function pathOf(target: string): string | undefined {
  if (!target.startsWith('/')) return undefined
  const [path = ''] = target.split('?', 1)
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '') continue
    let name: string
    try {
      name = decodeURIComponent(part)
    } catch {
      return undefined
    }
    if (name === '.' || name === '..' || /[/\0]/.test(name)) return undefined
    parts.push(name)
  }
  return `/${parts.join('/')}`
}
