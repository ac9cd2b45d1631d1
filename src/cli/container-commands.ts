/** The lists of the `container`, `provisional-repair`, `internal-only-for-testing` and `tar` commands. */
import type { CommandGroup } from './command-entry.ts'

const IMAGE: CommandGroup = {
  name: 'image',
  summary: 'Images stored in the repository',
  members: [
    {
      name: 'list',
      summary: 'List the images',
      load: async () => (await import('./commands/container/image-list.ts')).imageList,
    },
    {
      name: 'plan',
      summary: 'Show what a pull would fetch',
      load: async () => (await import('./commands/container/image-plan.ts')).imagePlan,
    },
    {
      name: 'pull',
      summary: 'Fetch an image into the repository',
      load: async () => (await import('./commands/container/image-pull.ts')).imagePull,
    },
    {
      name: 'metadata',
      summary: 'Print the manifest or configuration of an image',
      load: async () => (await import('./commands/container/image-metadata.ts')).imageMetadata,
    },
    {
      name: 'history',
      summary: 'Print the layers of an image and the commands that created them',
      load: async () => (await import('./commands/container/image-history.ts')).imageHistory,
    },
    {
      name: 'verify',
      summary: 'Check that stored images match their layers',
      load: async () => (await import('./commands/container/image-verify.ts')).imageVerify,
    },
    {
      name: 'copy',
      summary: 'Copy a stored image into another repository',
      load: async () => (await import('./commands/container/image-copy.ts')).imageCopy,
    },
    {
      name: 'reexport',
      summary: 'Export a stored image',
      load: async () => (await import('./commands/container/image-reexport.ts')).imageReexport,
    },
    {
      name: 'replace-detached-metadata',
      summary: 'Copy an image and replace the detached metadata of its commit',
      load: async () =>
        (await import('./commands/container/image-replace-detached-metadata.ts')).imageReplaceDetachedMetadata,
    },
    {
      name: 'clear-cached-update',
      summary: 'Delete the cached metadata of an available update',
      load: async () => (await import('./commands/container/image-clear-cached-update.ts')).imageClearCachedUpdate,
    },
    {
      name: 'deploy',
      summary: 'Fetch an image and deploy it to a sysroot',
      load: async () => (await import('./commands/container/image-deploy.ts')).imageDeploy,
    },
    {
      name: 'remove',
      summary: 'Remove images and the layers that no other image needs',
      load: async () => (await import('./commands/container/image-remove.ts')).imageRemove,
    },
    {
      name: 'prune-layers',
      summary: 'Remove layers that no image needs',
      load: async () => (await import('./commands/container/image-prune-layers.ts')).imagePruneLayers,
    },
    {
      name: 'prune-images',
      summary: 'Remove images that no deployment uses',
      load: async () => (await import('./commands/container/image-prune-images.ts')).imagePruneImages,
    },
  ],
}

export const CONTAINER: CommandGroup = {
  name: 'container',
  summary: 'Container images stored as commits',
  members: [
    IMAGE,
    {
      name: 'commit',
      summary: 'Clean up the container at the end of a build step',
      load: async () => (await import('./commands/container/commit.ts')).commit,
    },
    {
      name: 'compare',
      summary: 'Compare the layers of two images',
      load: async () => (await import('./commands/container/compare.ts')).compare,
    },
    {
      name: 'encapsulate',
      summary: 'Write a commit as an image',
      load: async () => (await import('./commands/container/encapsulate.ts')).encapsulate,
    },
    {
      name: 'export',
      summary: 'Alias of encapsulate',
      load: async () => (await import('./commands/container/encapsulate.ts')).encapsulate,
    },
    {
      name: 'info',
      summary: 'Print the digest of an image',
      load: async () => (await import('./commands/container/info.ts')).info,
    },
    {
      name: 'unencapsulate',
      summary: 'Fetch the commit that an image contains',
      load: async () => (await import('./commands/container/unencapsulate.ts')).unencapsulate,
    },
    {
      name: 'import',
      summary: 'Alias of unencapsulate',
      load: async () => (await import('./commands/container/unencapsulate.ts')).unencapsulate,
    },
  ],
}

/** Repairs images damaged by the inode-collision bug. */
export const PROVISIONAL_REPAIR: CommandGroup = {
  name: 'provisional-repair',
  summary: 'Repair of images damaged by inode collisions',
  hidden: true,
  members: [
    {
      name: 'analyze-inodes',
      summary: 'Find inodes that collide when cut to 32 bits',
      load: async () => (await import('./commands/provisional-repair/analyze-inodes.ts')).analyzeInodesCommand,
    },
    {
      name: 'repair',
      summary: 'Remove images damaged by inode collisions',
      load: async () => (await import('./commands/provisional-repair/repair.ts')).repairCommand,
    },
  ],
}

export const INTERNAL: CommandGroup = {
  name: 'internal-only-for-testing',
  summary: 'Internal commands for tests',
  hidden: true,
  members: [
    {
      name: 'detect-env',
      summary: 'Print the kind of environment',
      load: async () => (await import('./commands/internal-only-for-testing/detect-env.ts')).detectEnv,
    },
    {
      name: 'filter-tar',
      summary: 'Filter a layer',
      load: async () => (await import('./commands/internal-only-for-testing/filter-tar.ts')).filterTarCommand,
    },
  ],
}

export const TAR: CommandGroup = {
  name: 'tar',
  summary: 'Commits as tar streams',
  members: [
    {
      name: 'export',
      summary: 'Export a commit and its objects as a tar stream',
      load: async () => (await import('./commands/tar/tar-export.ts')).tarExport,
    },
    {
      name: 'import',
      summary: 'Import a commit from a tar stream',
      load: async () => (await import('./commands/tar/tar-import.ts')).tarImport,
    },
  ],
}
