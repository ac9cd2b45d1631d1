/**
 * Repositories and stored images over HTTP. The handlers work in every runtime; `listen` of the library for Node runs one as a server.
 *
 * @module ostree-ts/serve
 */

export type { HttpHandler, HttpRequest, HttpResponse } from '../platform/index.ts'
export { type ServeImagesOptions, serveImages } from './image-handler.ts'
export { type ServeRepoOptions, serveRepo } from './repo-handler.ts'
export { requireToken } from './token.ts'
export { webHandler } from './web-handler.ts'
