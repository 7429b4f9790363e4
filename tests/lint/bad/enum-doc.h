/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* as if it were pool/berth-vm.h */
#include "berth-types.h"

/**
 * Explained:
 * @EXPLAINED_ONE: what it means
 */
typedef enum
{
  EXPLAINED_ONE,
} Explained;

typedef enum
{
  UNEXPLAINED_ONE,
} Unexplained;
