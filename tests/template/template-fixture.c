/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The VM that the template tests make, in the four ways in which berth starts one. */
#include "template-fixture.h"

const FixtureMode fixture_modes[4] = {
  { "cold", "qemu", FALSE, FALSE },
  { "snapshot", "qemu", TRUE, FALSE },
  { "clone", "qemu", TRUE, TRUE },
  { "kvm", "kvm", FALSE, FALSE },
};

const BerthMark *
fixture_mark (void)
{
  static const BerthMark mark = {
    .instance = "berthd@host",
    .id = "0123456789abcdef0123456789abcdef",
    .template_name = "python",
    .state = "session",
    .tenant = "acme",
    .task = "42",
    .uid = 1000,
    .created = 1700000000,
  };

  return &mark;
}

/* (transfer full): a template of domain-templates/, which must be good */
BerthTemplate *
fixture_load (const char *name)
{
  g_autofree char *path = g_strdup_printf (TEMPLATE_DIR "/%s.xml", name);
  g_autoptr (GError) error = NULL;
  BerthTemplate *template_ = berth_template_load (path, TEMPLATE_DIR "/berth.rng", &error);

  g_assert_no_error (error);
  return template_;
}

void
fixture_fill (BerthDomainParams *params, const BerthMark *mark, BerthTemplate *template_,
              const FixtureMode *mode)
{
  static const char *const one[] = { "/images/base.erofs", NULL };
  static const char *const two[] = { "/images/base.erofs", "/images/own, <&>.erofs", NULL };
  static const char *const emulated[] = { "svm", "vmx", "erms", NULL };
  static const char *const virtual[] = { "svm", "vmx", NULL };
  gboolean is_kvm = g_str_equal (mode->domain_type, "kvm");
  gboolean is_one = berth_template_get_layers (template_)[1] == NULL;

  *params = (BerthDomainParams){
    .mark = mark,
    .name = "berth-test-1",
    .uuid = "6695eb01-f6a4-8304-79aa-97f2502e193f",
    .domain_type = mode->domain_type,
    .memory_mb = berth_template_get_memory_mb (template_),
    .vcpus = berth_template_get_vcpus (template_),
    .kernel = "/images/vmlinuz",
    .initramfs = "/images/initramfs.cpio",
    .layers = is_one ? one : two,
    .unwanted_features = is_kvm ? virtual : emulated,
    .skip_cpu_probe = !is_kvm,
    .ram_file = mode->has_ram_file ? "/snapshots/a,b/ram" : NULL,
    .ram_private = mode->is_clone,
    .incoming = mode->is_clone,
  };
}
