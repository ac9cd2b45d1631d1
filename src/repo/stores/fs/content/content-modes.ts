/** Selects how a repository mode stores file objects. */

import type { Platform } from '../../../../platform/index.ts'
import type { NativeSource } from '../../../../system/native.ts'
import type { LooseLayout, RepoMode } from '../../../core/interface.ts'
import { BareContent } from './bare-content.ts'
import type { ContentMode } from './content-mode.ts'
import { ArchiveContent } from './mode-archive.ts'
import { bareForm } from './mode-bare.ts'
import { bareSplitXattrsForm } from './mode-bare-split-xattrs.ts'
import { bareUserForm } from './mode-bare-user.ts'
import { bareUserOnlyForm } from './mode-bare-user-only.ts'

export function contentModeOf(layout: LooseLayout, platform: Platform, native: NativeSource): ContentMode {
  switch (layout.mode) {
    case 'archive':
      return new ArchiveContent(platform, layout.zlibLevel)
    case 'bare':
      return new BareContent(bareForm(native, layout.disableXattrs))
    case 'bare-user':
      return new BareContent(bareUserForm(native))
    case 'bare-user-only':
      return new BareContent(bareUserOnlyForm)
    case 'bare-split-xattrs':
      return new BareContent(bareSplitXattrsForm)
  }
}

/** Whether reading and writing files of that mode takes system calls that Node does not offer. */
export function needsNative(mode: RepoMode): boolean {
  return mode !== 'archive' && mode !== 'bare-user-only'
}
