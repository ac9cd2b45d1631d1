/** Deployments of a sysroot and their boot loader entries. */

export {
  type BootEntry,
  formatBootEntry,
  kernelArg,
  parseBootEntry,
  splitKernelArgs,
  withKernelArg,
} from './boot-entry.ts'
export { type Deployed, type DeployOptions, deployCommit } from './deploy.ts'
export { findKernel, type Kernel } from './kernel.ts'
export {
  type Deployment,
  deploymentPath,
  originPath,
  readOrigin,
  readSysroot,
  requireStateroot,
  type SysrootState,
} from './layout.ts'
export { parseOsRelease } from './os-release.ts'
