{{- define "penstock.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "penstock.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "penstock.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "penstock.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "penstock.operator" -}}
{{ include "penstock.fullname" . }}-operator
{{- end -}}

{{- define "penstock.runner" -}}
{{ include "penstock.fullname" . }}-runner
{{- end -}}

{{- define "penstock.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "penstock.operator" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "penstock.operatorImage" -}}
{{- default (printf "localhost/penstock-operator:%s" .Chart.AppVersion) .Values.operator.image -}}
{{- end -}}

{{- define "penstock.runnerImage" -}}
{{- default (printf "localhost/penstock-runner:%s" .Chart.AppVersion) .Values.runner.image -}}
{{- end -}}

{{- define "penstock.selectorLabels" -}}
app.kubernetes.io/name: {{ include "penstock.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "penstock.labels" -}}
{{ include "penstock.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: penstock
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- /* What the operator does in each namespace it watches: the least that its reconcile loops need. */ -}}
{{- define "penstock.operatorRules" -}}
- apiGroups: [penstock.dev]
  resources: [flows, flowruns, workpools, schedules, signals, concurrencylimits]
  verbs: [get, list, watch]
- apiGroups: [penstock.dev]
  resources: [flows/status, flowruns/status, workpools/status, schedules/status, signals/status]
  verbs: [get, patch]
- apiGroups: [penstock.dev] # slots are taken and given back by a status that is replaced as a whole
  resources: [concurrencylimits/status]
  verbs: [get, update, patch]
- apiGroups: [penstock.dev] # the runs of schedules, and their cancellation
  resources: [flowruns]
  verbs: [create, patch]
- apiGroups: [penstock.dev] # history; signals go with their runs
  resources: [flowruns, signals]
  verbs: [delete]
- apiGroups: [penstock.dev] # OpenShift asks for it before a Job may block its owner's deletion
  resources: [flowruns/finalizers]
  verbs: [update]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
- apiGroups: [""] # why a pod does not start or has ended
  resources: [pods, events]
  verbs: [get, list]
- apiGroups: [""] # what a run's status does not say for long
  resources: [events]
  verbs: [create]
- apiGroups: [""] # the code that a run starts from
  resources: [configmaps]
  verbs: [get, list, create, delete]
- apiGroups: [""] # the runner's account in each namespace with a pool, and its rights
  resources: [serviceaccounts]
  verbs: [get, create]
- apiGroups: [rbac.authorization.k8s.io] # deleted to be made anew, since the role of a binding cannot be changed
  resources: [rolebindings]
  verbs: [get, create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterroles]
  resourceNames: [{{ include "penstock.runner" . }}]
  verbs: [bind]
- apiGroups: [coordination.k8s.io] # its own renewals, seen through its watches, prove that events arrive
  resources: [leases]
  resourceNames: [{{ include "penstock.operator" . }}]
  verbs: [list, watch]
{{- end -}}
