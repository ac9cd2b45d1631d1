export { scanHardLinks } from './devino.ts'
export {
  type CreateRepoOptions,
  createRepo,
  isSqlitePath,
  MAX_PARENT_REPOS,
  type OpenRepoOptions,
  openRepo,
} from './open.ts'
export { createDirectorySource } from './walk.ts'
