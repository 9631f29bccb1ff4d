package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/agentproc"
)

// A second server on one SQLite store is refused, and a volume goes with one node: so there is one
// replica, and the old one ends before the new one starts.
func TestDeploymentKeepsOneServerOnItsStore(t *testing.T) {
	t.Parallel()
	all := manifests(t, deployDir)
	d := one[*appsv1.Deployment](t, all)
	require.Equal(t, int32(1), *d.Spec.Replicas)
	require.Equal(t, appsv1.RecreateDeploymentStrategyType, d.Spec.Strategy.Type)
	claim := one[*corev1.PersistentVolumeClaim](t, all)
	require.Equal(t, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, claim.Spec.AccessModes)
	require.True(t, slices.ContainsFunc(d.Spec.Template.Spec.Volumes, func(v corev1.Volume) bool {
		return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim.Name
	}), "the volume is not mounted")
}

// On Postgres servers replace each other one by one, and no volume binds them to a node.
func TestDeploymentOnPostgresRolls(t *testing.T) {
	t.Parallel()
	all := manifests(t, postgresDir)
	d, budget := one[*appsv1.Deployment](t, all), one[*policyv1.PodDisruptionBudget](t, all)
	require.Equal(t, int32(3), *d.Spec.Replicas)
	require.Equal(t, appsv1.RollingUpdateDeploymentStrategyType, d.Spec.Strategy.Type)
	require.Less(t, d.Spec.Strategy.RollingUpdate.MaxUnavailable.IntVal, *d.Spec.Replicas)
	require.Equal(t, int32(1), budget.Spec.MaxUnavailable.IntVal)
	require.Equal(t, d.Spec.Selector.MatchLabels, budget.Spec.Selector.MatchLabels)
	require.Empty(t, some[*corev1.PersistentVolumeClaim](all))
	for _, v := range d.Spec.Template.Spec.Volumes {
		require.Nil(t, v.PersistentVolumeClaim)
	}
	var topologies []string
	for _, c := range d.Spec.Template.Spec.TopologySpreadConstraints {
		topologies = append(topologies, c.TopologyKey)
		require.Equal(t, d.Spec.Selector.MatchLabels, c.LabelSelector.MatchLabels)
	}
	require.Equal(t, []string{"topology.kubernetes.io/zone", "kubernetes.io/hostname"}, topologies)
	require.NotContains(t, one[*corev1.ConfigMap](t, all).Data["config.yaml"], "postgres://", "the URL holds a password")
}

// An outage of flyteadmin or of the store must not take the endpoint away: FlytePropeller would
// burn its users' retries.
func TestProbesDoNotAskForReadyz(t *testing.T) {
	onEach(t, func(t *testing.T, dir string) {
		for _, c := range one[*appsv1.Deployment](t, manifests(t, dir)).Spec.Template.Spec.Containers {
			for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
				if p != nil && p.HTTPGet != nil {
					require.NotEqual(t, "/readyz", p.HTTPGet.Path)
				}
			}
			require.NotNil(t, c.LivenessProbe)
			require.Equal(t, "/healthz", c.LivenessProbe.HTTPGet.Path)
			require.NotNil(t, c.ReadinessProbe)
			require.NotNil(t, c.ReadinessProbe.GRPC, "readiness is grpc health")
		}
	})
}

func TestContainerHasNoRights(t *testing.T) {
	onEach(t, func(t *testing.T, dir string) {
		pod := one[*appsv1.Deployment](t, manifests(t, dir)).Spec.Template.Spec
		require.False(t, *pod.AutomountServiceAccountToken)
		require.True(t, *pod.SecurityContext.RunAsNonRoot)
		for _, c := range pod.Containers {
			require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
			require.False(t, *c.SecurityContext.AllowPrivilegeEscalation)
			require.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop)
			require.NotNil(t, c.Resources.Requests.Memory())
			for _, e := range c.Env {
				require.NotRegexp(t, "(?i)token|key|secret|password", e.Name, "secrets are mounted files")
			}
		}
	})
}

// FlytePropeller's calls carry no credentials, so that the network must say who may call.
func TestOnlyFlytePropellerComesIn(t *testing.T) {
	onEach(t, func(t *testing.T, dir string) {
		all := manifests(t, dir)
		d, policy := one[*appsv1.Deployment](t, all), one[*networkingv1.NetworkPolicy](t, all)
		require.Equal(t, d.Spec.Selector.MatchLabels, policy.Spec.PodSelector.MatchLabels)
		require.Contains(t, policy.Spec.PolicyTypes, networkingv1.PolicyTypeIngress)
		grpc := port(t, d, "grpc")
		for _, rule := range policy.Spec.Ingress {
			require.NotEmpty(t, rule.Ports, "a rule without ports opens all of them")
			for _, p := range rule.Ports {
				if p.Port.IntVal == grpc || p.Port.StrVal == "grpc" {
					require.NotEmpty(t, rule.From, "anybody may speak for any scope")
				}
			}
		}
		for _, s := range some[*corev1.Service](all) {
			labels := maps.Clone(d.Spec.Template.Labels)
			maps.Copy(labels, s.Spec.Selector)
			require.Equal(t, d.Spec.Template.Labels, labels, "%s selects other pods", s.Name)
		}
	})
}

// The example of a Secret has the files that the config reads, where it reads them.
func TestTheConfigReadsTheSecret(t *testing.T) {
	onEach(t, func(t *testing.T, dir string) {
		all := manifests(t, dir)
		d, secret := one[*appsv1.Deployment](t, all), one[*corev1.Secret](t, all)
		config := one[*corev1.ConfigMap](t, all).Data["config.yaml"]
		i := slices.IndexFunc(d.Spec.Template.Spec.Volumes, func(v corev1.Volume) bool {
			return v.Secret != nil && v.Secret.SecretName == secret.Name
		})
		require.GreaterOrEqual(t, i, 0, "the secret is not mounted")
		volume := d.Spec.Template.Spec.Volumes[i].Name
		for _, m := range d.Spec.Template.Spec.Containers[0].VolumeMounts {
			for key := range secret.StringData {
				if m.Name == volume {
					require.Contains(t, config, "{file: "+m.MountPath+"/"+key+"}")
				}
			}
		}
	})
}

// port is the number of a container's port by its name.
func port(t *testing.T, d *appsv1.Deployment, name string) int32 {
	t.Helper()
	for _, p := range d.Spec.Template.Spec.Containers[0].Ports {
		if p.Name == name {
			return p.ContainerPort
		}
	}
	require.Fail(t, "no port named "+name)
	return 0
}

// The config in the ConfigMap is one that the server takes.
func TestConfigMapIsValid(t *testing.T) {
	onEach(t, func(t *testing.T, dir string) {
		binary, err := agentproc.Find()
		require.NoError(t, err)
		configs := some[*corev1.ConfigMap](manifests(t, dir))
		require.NotEmpty(t, configs)
		for _, c := range configs {
			for name, text := range c.Data {
				if !strings.HasSuffix(name, ".yaml") {
					continue
				}
				path := filepath.Join(t.TempDir(), name)
				require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
				out, err := agentproc.Validate(binary, path)
				require.NoError(t, err, out)
			}
		}
	})
}
