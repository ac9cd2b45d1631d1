export { type RandomStatus, type ServeDirectoryOptions, serveDirectory } from './local-directory.ts'
export { type ListeningServer, type ListenOptions, listen, type ServerTimeouts } from './local-listen.ts'
