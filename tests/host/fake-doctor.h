/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a doctor finds of a fake host, beyond whether it is up. */
#pragma once

#include "plugin/host/berth-host.h"

G_BEGIN_DECLS

/* for #BerthHostInterface */
gboolean fake_doctor_check_image (BerthHost *host, GError **error);
gboolean fake_doctor_check_layers (BerthHost *host, const char *template_name, GError **error);
char *fake_doctor_dup_confinement (BerthHost *host, const char *dir, char **out_problem,
                                   char **out_remedy);
/* virt_type and kvm_problem */
void fake_doctor_add_status (BerthHost *host, GVariantDict *status);

/* The guest's image is where this folder is, from now on. */
void fake_doctor_set_image_dir (BerthHost *host, const char *dir);
/* It is there, or not. */
void fake_doctor_set_image (BerthHost *host, gboolean is_there);
/* All layers are there but that of @template_name. */
void fake_doctor_set_layers_missing (BerthHost *host, const char *template_name);
/* @virt_type: static; @problem: (nullable): why KVM can't be used */
void fake_doctor_set_kvm (BerthHost *host, const char *virt_type, const char *problem);
/* @problem: (nullable); nothing confines VMs before */
void fake_doctor_set_confinement (BerthHost *host, const char *kind, const char *problem);

G_END_DECLS
