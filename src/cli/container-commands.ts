/** The commands behind `ostree container`, and those on the tar streams that images are made of. */
import type { CommandGroup } from './command-entry.ts'

const IMAGE: CommandGroup = {
  name: 'image',
  summary: 'Images kept in the repository',
  members: [
    {
      name: 'list',
      summary: 'List the images',
      load: async () => (await import('./commands/container/image-list.ts')).imageList,
    },
    {
      name: 'plan',
      summary: 'Tell what a pull would fetch',
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
      summary: 'Print the layers of an image and how they came about',
      load: async () => (await import('./commands/container/image-history.ts')).imageHistory,
    },
    {
      name: 'verify',
      summary: 'Look whether stored images still hold what their layers do',
      load: async () => (await import('./commands/container/image-verify.ts')).imageVerify,
    },
    {
      name: 'copy',
      summary: 'Copy a stored image into another repository',
      load: async () => (await import('./commands/container/image-copy.ts')).imageCopy,
    },
    {
      name: 'reexport',
      summary: 'Write a stored image as an image again',
      load: async () => (await import('./commands/container/image-reexport.ts')).imageReexport,
    },
    {
      name: 'replace-detached-metadata',
      summary: 'Write an image again with other detached metadata of its commit',
      load: async () =>
        (await import('./commands/container/image-replace-detached-metadata.ts')).imageReplaceDetachedMetadata,
    },
    {
      name: 'clear-cached-update',
      summary: 'Forget a newer image that was seen',
      load: async () => (await import('./commands/container/image-clear-cached-update.ts')).imageClearCachedUpdate,
    },
    {
      name: 'deploy',
      summary: 'Fetch an image and make it what a sysroot boots',
      load: async () => (await import('./commands/container/image-deploy.ts')).imageDeploy,
    },
    {
      name: 'remove',
      summary: 'Remove images, and the layers only they need',
      load: async () => (await import('./commands/container/image-remove.ts')).imageRemove,
    },
    {
      name: 'prune-layers',
      summary: 'Remove layers that no image needs',
      load: async () => (await import('./commands/container/image-prune-layers.ts')).imagePruneLayers,
    },
    {
      name: 'prune-images',
      summary: 'Remove images that no deployment came from',
      load: async () => (await import('./commands/container/image-prune-images.ts')).imagePruneImages,
    },
  ],
}

export const CONTAINER: CommandGroup = {
  name: 'container',
  summary: 'Container images kept as commits',
  members: [
    IMAGE,
    {
      name: 'commit',
      summary: 'Tidy the container up at the end of a build step',
      load: async () => (await import('./commands/container/commit.ts')).commit,
    },
    {
      name: 'compare',
      summary: 'Print what changes between two images, by layers',
      load: async () => (await import('./commands/container/compare.ts')).compare,
    },
    {
      name: 'encapsulate',
      summary: 'Write a commit as an image',
      load: async () => (await import('./commands/container/encapsulate.ts')).encapsulate,
    },
    {
      name: 'export',
      summary: 'Another name of encapsulate',
      load: async () => (await import('./commands/container/encapsulate.ts')).encapsulate,
    },
    {
      name: 'info',
      summary: 'Print the digest of an image',
      load: async () => (await import('./commands/container/info.ts')).info,
    },
    {
      name: 'unencapsulate',
      summary: 'Fetch the commit an image carries',
      load: async () => (await import('./commands/container/unencapsulate.ts')).unencapsulate,
    },
    {
      name: 'import',
      summary: 'Another name of unencapsulate',
      load: async () => (await import('./commands/container/unencapsulate.ts')).unencapsulate,
    },
  ],
}

/** For who mends what a confusion of inodes has done to stored images. */
export const PROVISIONAL_REPAIR: CommandGroup = {
  name: 'provisional-repair',
  summary: 'Images whose files were confused',
  hidden: true,
  members: [
    {
      name: 'analyze-inodes',
      summary: 'Look for inodes that were confused',
      load: async () => (await import('./commands/provisional-repair/analyze-inodes.ts')).analyzeInodesCommand,
    },
    {
      name: 'repair',
      summary: 'Forget images whose files were confused',
      load: async () => (await import('./commands/provisional-repair/repair.ts')).repairCommand,
    },
  ],
}

export const INTERNAL: CommandGroup = {
  name: 'internal-only-for-testing',
  summary: 'What tests ask',
  hidden: true,
  members: [
    {
      name: 'detect-env',
      summary: 'Print what we run in',
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
      summary: 'Write a commit, with its objects, as a tar stream',
      load: async () => (await import('./commands/tar/tar-export.ts')).tarExport,
    },
    {
      name: 'import',
      summary: 'Read a commit out of a tar stream',
      load: async () => (await import('./commands/tar/tar-import.ts')).tarImport,
    },
  ],
}
