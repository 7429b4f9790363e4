/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A manifest that has everything. */
#pragma once

#include "plugin/checkpoint/berth-checkpoint-manifest.h"

#define SOME_SANDBOX "0123456789abcdef0123456789abcdef"
#define OTHER_SANDBOX "fedcba9876543210fedcba9876543210"
#define SOME_SUM "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SOME_UID 1000u

/* @name: empty: of one asleep */
BerthCheckpointManifest *some_manifest (guint32 uid, const char *sandbox, const char *name);
