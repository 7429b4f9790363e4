/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is to be built: the steps, in their order, whether options or lines of a Berthfile say them.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* What is below where nothing is said of it */
#define BERTH_BUILD_FROM "python"

/**
 * BerthBuildKind:
 * @BERTH_BUILD_APT: packages of Debian
 * @BERTH_BUILD_PIP: of Python
 * @BERTH_BUILD_NPM: of Node.js
 * @BERTH_BUILD_COPY: a file, or what is in a folder
 * @BERTH_BUILD_RUN: a script
 *
 * What a step does.
 */
typedef enum
{
  BERTH_BUILD_APT,
  BERTH_BUILD_PIP,
  BERTH_BUILD_NPM,
  BERTH_BUILD_COPY,
  BERTH_BUILD_RUN,
} BerthBuildKind;

/**
 * BerthBuildStep:
 * @kind: what is done
 * @user: as whom
 * @values: (element-type utf8): packages, as an index knows them; or the folder or file in the
 *   guest; or a script
 * @files: (element-type filename): absolute: packages that are given by hand, or what is copied
 * @env: (array zero-terminated=1): NAME=VALUE, what the lines before it have said
 *
 * Packages of one kind that follow each other are one step.
 */
typedef struct
{
  BerthBuildKind kind;
  char *user;
  GPtrArray *values;
  GPtrArray *files;
  GStrv env;
} BerthBuildStep;

const char *berth_build_kind_get_word (BerthBuildKind kind);

/**
 * BerthBuildAct:
 * @BERTH_BUILD_MAKE: builds a template
 * @BERTH_BUILD_PUSH: sends one to a registry
 * @BERTH_BUILD_PULL: gets one from a registry
 * @BERTH_BUILD_REMOVE: removes one that was built or pulled, or the snapshot of another
 * @BERTH_BUILD_HISTORY: tells what one was made of
 * @BERTH_BUILD_PRUNE: removes layers that no template names
 *
 * What is done.
 */
typedef enum
{
  BERTH_BUILD_MAKE,
  BERTH_BUILD_PUSH,
  BERTH_BUILD_PULL,
  BERTH_BUILD_REMOVE,
  BERTH_BUILD_HISTORY,
  BERTH_BUILD_PRUNE,
} BerthBuildAct;

const char *berth_build_act_get_word (BerthBuildAct act);

/**
 * BerthBuildSpec:
 * @act: what is done
 * @name: of the template
 * @reference: (nullable): what a registry has or gets
 * @sign: (nullable): a private key's file
 * @from: of the one that it stands on; of an image, the one of the VM that it is unpacked in
 * @oci: (nullable): the image that it is made of: KIND:PLACE
 * @language: (nullable): instead of that of what it is made of
 * @plain: the image's registry need not prove who it is
 * @memory_mb: of its VMs; 0: as that one's
 * @steps: (element-type BerthBuildStep)
 * @env: (element-type utf8): NAME=VALUE, of its VMs' programs
 * @text: a Berthfile of all that
 * @user: of the steps that follow
 * @folder: that relative names of files are looked up from
 * @socket: (nullable): berthd's
 * @config: (nullable): instead of the usual berth.conf
 * @image_dir: (nullable): instead of the setting's
 * @template_dir: (nullable): instead of the last one of the setting's
 * @build_memory_mb: of the VM that it is built in
 * @timeout_s: of each step
 * @max_mb: of the layer
 * @json: as one object
 * @only_snapshot: no more than the snapshot goes
 * @refresh: it is built although its inputs are those of a layer that is there
 * @quiet: only what goes wrong is told
 */
typedef struct
{
  BerthBuildAct act;
  char *name;
  char *reference;
  char *sign;
  char *from;
  char *oci;
  char *language;
  gboolean plain;
  guint memory_mb;
  GPtrArray *steps;
  GPtrArray *env;
  GString *text;
  char *user;
  char *folder;
  char *socket;
  char *config;
  char *image_dir;
  char *template_dir;
  int build_memory_mb;
  int timeout_s;
  int max_mb;
  gboolean json;
  gboolean only_snapshot;
  gboolean refresh;
  gboolean quiet;
} BerthBuildSpec;

/* (transfer full): the absolute PLACE of PLACE[:NAME], where both may have colons: the shortest
 * that is there. @out_reference: (transfer full): NAME, or "" */
char *berth_build_spec_split_place (const char *text, const char *folder, char **out_reference);

BerthBuildSpec *berth_build_spec_new (void);
void berth_build_spec_free (BerthBuildSpec *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthBuildSpec, berth_build_spec_free)

/* One line of a Berthfile, or one option: @word is "pip", @value what stands behind it. */
gboolean
berth_build_spec_take (BerthBuildSpec *self, const char *word, const char *value, GError **error);
/* Lines of a Berthfile: a word and its value; empty ones and those that begin with # say nothing.
 */
gboolean berth_build_spec_take_text (BerthBuildSpec *self, const char *text, const char *path,
                                     GError **error);
/* All of the command line, whose first word is what is done. */
gboolean berth_build_spec_parse (BerthBuildSpec *self, int *argc, char ***argv, GError **error);

G_END_DECLS
