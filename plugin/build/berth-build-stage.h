/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the pieces of a pull come to, beside the layers. What of them is whole is there for the
 * next pull when one is cut; nothing of it has a name that anybody reads but a pull. */
#pragma once

#include "plugin/build/berth-build-artifact.h"
#include "plugin/build/berth-build-skopeo.h"

G_BEGIN_DECLS

typedef struct _BerthBuildStage BerthBuildStage;

/* The one of the folder of layers @dir, held by one pull at a time. */
BerthBuildStage *berth_build_stage_new (const char *dir, GError **error);
void berth_build_stage_free (BerthBuildStage *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthBuildStage, berth_build_stage_free)

/* (transfer full): the OCI layout, which skopeo may write */
char *berth_build_stage_dup_layout (BerthBuildStage *self);

/* Keeps of what is there what @artifact has, and nothing else; of the parts that @is_wanted says no
 * for, each piece has a name, so that none is fetched. @out_bytes: of those that are missing */
gboolean berth_build_stage_prepare (BerthBuildStage *self, BerthBuildFolder *folder,
                                    const BerthBuildArtifact *artifact, const gboolean *is_wanted,
                                    gint64 *out_bytes, GError **error);
/* Writes the pieces of @part to @fd. One that is not what its digest says goes. */
gboolean berth_build_stage_copy (BerthBuildStage *self, const BerthBuildArtifact *artifact,
                                 const BerthBuildPart *part, int fd, GError **error);
/* All of it goes. */
void berth_build_stage_clear (BerthBuildStage *self);
/* The one of @dir, where nobody holds it */
void berth_build_stage_remove (const char *dir);

G_END_DECLS
