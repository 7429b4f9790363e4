/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* It forgot to include what it uses. */
#pragma once

gboolean is_alone (GObject *object);
