/** The way of each repository mode to keep content. */

import type { Platform } from '../../../../platform/index.ts'
import type { NativeSource } from '../../../../system/native.ts'
import type { RepoSettings } from '../../../core/config.ts'
import type { RepoMode } from '../../../core/interface.ts'
import { BareContent } from './bare-content.ts'
import type { ContentMode } from './content-mode.ts'
import { ArchiveContent } from './mode-archive.ts'
import { bareForm } from './mode-bare.ts'
import { bareSplitXattrsForm } from './mode-bare-split-xattrs.ts'
import { bareUserForm } from './mode-bare-user.ts'
import { bareUserOnlyForm } from './mode-bare-user-only.ts'

export type ContentSettings = Pick<RepoSettings, 'mode' | 'zlibLevel' | 'disableXattrs'>

export function contentModeOf(settings: ContentSettings, platform: Platform, native: NativeSource): ContentMode {
  switch (settings.mode) {
    case 'archive':
      return new ArchiveContent(platform, settings.zlibLevel)
    case 'bare':
      return new BareContent(bareForm(native, settings.disableXattrs))
    case 'bare-user':
      return new BareContent(bareUserForm(native))
    case 'bare-user-only':
      return new BareContent(bareUserOnlyForm)
    case 'bare-split-xattrs':
      return new BareContent(bareSplitXattrsForm)
  }
}

/** Whether files of that mode are read and written with calls Node lacks. */
export function needsNative(mode: RepoMode): boolean {
  return mode !== 'archive' && mode !== 'bare-user-only'
}
