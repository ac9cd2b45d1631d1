/** What the command uses of the front door beside its public `index.ts`. These names may change at any time. */

export { hostPolicy, readInRoot } from './host.ts'
