export {
  type CreateRepoOptions,
  createRepo,
  isSqlitePath,
  MAX_PARENT_REPOS,
  type OpenRepoOptions,
  openRepo,
} from './open.ts'
