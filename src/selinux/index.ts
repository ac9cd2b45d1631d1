/**
 * File contexts of SELinux policies: finds the label of a path.
 *
 * @module ostree-ts/selinux
 */

export { FileContexts, type FileContextsOptions, type FileContextsTexts } from './file-contexts.ts'
export { MAX_MATCH_WORK } from './matcher.ts'
export { MAX_PATTERN_STATES } from './program.ts'
export { MAX_PATTERN_LENGTH, MAX_SPECS } from './specs.ts'
