/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a container image says of how it is run, as the VM that unpacked it tells. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * BerthBuildImage:
 * @language: that its template gets, or "none"
 * @user: (nullable): UID:GID
 * @workdir: absolute
 * @entry: (array zero-terminated=1): a program and its arguments, or nothing
 * @env: (array zero-terminated=1): NAME=VALUE
 * @has: (array zero-terminated=1): LANGUAGE VERSION
 * @lacks: (array zero-terminated=1): LANGUAGE, and why not
 */
typedef struct
{
  char *language;
  char *user;
  char *workdir;
  GStrv entry;
  GStrv env;
  GStrv has;
  GStrv lacks;
} BerthBuildImage;

/* @text: a guest's bytes */
BerthBuildImage *berth_build_image_parse (const char *text, GError **error);
void berth_build_image_free (BerthBuildImage *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthBuildImage, berth_build_image_free)

/* Whether code of @language can be run in it; the error says what is missing. */
gboolean berth_build_image_check_language (const BerthBuildImage *self, const char *language,
                                           GError **error);

G_END_DECLS
