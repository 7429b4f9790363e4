/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The VM that the template tests make, in the four ways in which berth starts one. */
#pragma once

#include "template/berth-template.h"

G_BEGIN_DECLS

typedef struct
{
  const char *name;
  const char *domain_type;
  gboolean has_ram_file;
  gboolean is_clone;
} FixtureMode;

extern const FixtureMode fixture_modes[4];

void fixture_fill (BerthDomainParams *params, const BerthMark *mark, BerthTemplate *template_,
                   const FixtureMode *mode);
BerthTemplate *fixture_load (const char *name);
const BerthMark *fixture_mark (void);

G_END_DECLS
