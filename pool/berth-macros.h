/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which functions a library made of berth may show; whether one does is its version script's. */
#pragma once

#include <glib-object.h>

#ifndef BERTH_AVAILABLE
#  define BERTH_AVAILABLE __attribute__ ((visibility ("default"))) extern
#endif
