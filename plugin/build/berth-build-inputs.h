/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a layer is made of, as one name: the same inputs are not built twice. */
#pragma once

#include "plugin/build/berth-build-base.h"

G_BEGIN_DECLS

/* Files of this host that a step takes, packed once, so that what is named is what is sent. */
typedef struct
{
  int fd;       /* a tar; -1: the step takes none */
  char *sha256; /* nullable: of it */
} BerthBuildInput;

typedef struct
{
  GArray *each;          /* of BerthBuildInput, one a step */
  BerthBuildInput image; /* of an image: a tar of an OCI layout */
  char *reference;       /* nullable: which image of it */
  char *sha256;          /* of everything */
  char *layer;           /* the name of what is made of them */
} BerthBuildInputs;

/* @script: what is done at each step; @image_script: with an image */
BerthBuildInputs *
berth_build_inputs_new (const BerthBuildSpec *spec, const BerthBuildBase *base, const char *script,
                        const char *image_script, GError **error);
void berth_build_inputs_free (BerthBuildInputs *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthBuildInputs, berth_build_inputs_free)

G_END_DECLS
