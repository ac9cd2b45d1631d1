export { type ListeningServer, type ListenOptions, listen } from './local-listen.ts'
