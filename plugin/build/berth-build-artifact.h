/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A template as a registry keeps it: an OCI manifest that says all of it, and its layers in pieces.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Of a layer: what is fetched again at most when a pull is cut */
#define BERTH_BUILD_PIECE_BYTES (G_GINT64_CONSTANT (32) << 20)
#define BERTH_BUILD_MANIFEST_MAX_BYTES (1024 * 1024)
#define BERTH_BUILD_MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
/* What each manifest of berth's names as its configuration, "{}": all is in the manifest itself */
#define BERTH_BUILD_EMPTY "{}"
#define BERTH_BUILD_EMPTY_TYPE "application/vnd.berth.template.v1+json"

/**
 * BerthBuildPiece:
 * @sha256: 64 hexadecimal digits
 * @size: bytes
 */
typedef struct
{
  char *sha256;
  gint64 size;
} BerthBuildPiece;

/**
 * BerthBuildPart:
 * @name: of the layer, where it was pushed
 * @sha256: of all of it
 * @size: bytes
 * @about: (nullable): what it was made of, a JSON object
 * @first: its first piece
 * @count: of its pieces
 */
typedef struct
{
  char *name;
  char *sha256;
  gint64 size;
  char *about;
  guint first;
  guint count;
} BerthBuildPart;

/**
 * BerthBuildArtifact:
 * @name: of the template, where it was pushed
 * @element: its <berth:template>
 * @berthfile: what it was made of, or ""
 * @parts: (element-type BerthBuildPart): lowest first
 * @pieces: (element-type BerthBuildPiece): of all parts, in their order
 */
typedef struct
{
  char *name;
  char *element;
  char *berthfile;
  GPtrArray *parts;
  GPtrArray *pieces;
} BerthBuildArtifact;

BerthBuildArtifact *berth_build_artifact_new (void);
void berth_build_artifact_free (BerthBuildArtifact *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthBuildArtifact, berth_build_artifact_free)

/* Parts and pieces, each in their order; a part has as many as its size needs. */
void berth_build_artifact_add_part (BerthBuildArtifact *self, const char *name, const char *sha256,
                                    gint64 size, const char *about);
void berth_build_artifact_add_piece (BerthBuildArtifact *self, const char *sha256, gint64 size);

/* (transfer full): the manifest */
char *berth_build_artifact_dup_manifest (BerthBuildArtifact *self);
/* @text: anybody's bytes; of @max_bytes at most is a layer */
BerthBuildArtifact *
berth_build_artifact_parse (const char *text, gsize size, gint64 max_bytes, GError **error);

G_END_DECLS
