/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who has how much of a disk that several users share: a part is taken before the first byte is
 * written, and given back when the file is gone. Main context. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _BerthDiskAccount BerthDiskAccount;
typedef struct _BerthDiskPart BerthDiskPart;

BerthDiskAccount *berth_disk_account_new (void);
/* Parts of it may still be there. */
void berth_disk_account_unref (BerthDiskAccount *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthDiskAccount, berth_disk_account_unref)

/**
 * BerthDiskBounds:
 * @all_bytes: that all users may have together; 0: any number
 * @user_bytes: that one may have; 0: any number
 */
typedef struct
{
  guint64 all_bytes;
  guint64 user_bytes;
} BerthDiskBounds;

/* (transfer full) (nullable): at most @most bytes for @uid, fewer where the @bounds allow no more;
 * NULL: they allow none */
BerthDiskPart *berth_disk_account_take (BerthDiskAccount *self, guint32 uid, guint64 most,
                                        const BerthDiskBounds *bounds);
guint64 berth_disk_account_get_bytes (const BerthDiskAccount *self);
guint64 berth_disk_account_get_user_bytes (const BerthDiskAccount *self, guint32 uid);

guint64 berth_disk_part_get_bytes (const BerthDiskPart *self);
/* It needs no more than @bytes. */
void berth_disk_part_shrink (BerthDiskPart *self, guint64 bytes);
void berth_disk_part_free (BerthDiskPart *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthDiskPart, berth_disk_part_free)

G_END_DECLS
