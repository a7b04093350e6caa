using System.Text.Json.Serialization;

namespace Paas.Receiver.Contract;

/// <summary>How the records travel, generated when this is built: neither side looks at types while it runs.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    AllowDuplicateProperties = false)]
[JsonSerializable(typeof(Page<HostSummary>))]
[JsonSerializable(typeof(Page<EnvironmentSummary>))]
[JsonSerializable(typeof(EnvironmentSummary))]
[JsonSerializable(typeof(EnvironmentOrder))]
[JsonSerializable(typeof(EnvironmentChange))]
[JsonSerializable(typeof(ProjectMade))]
[JsonSerializable(typeof(Page<ProjectSummary>))]
[JsonSerializable(typeof(ProjectStatus))]
[JsonSerializable(typeof(Page<ReleaseSummary>))]
[JsonSerializable(typeof(Page<DeploymentSummary>))]
[JsonSerializable(typeof(Page<ConfigEntry>))]
[JsonSerializable(typeof(Page<TokenSummary>))]
[JsonSerializable(typeof(AcceptedWork))]
[JsonSerializable(typeof(OutcomeEvent))]
[JsonSerializable(typeof(RollbackOrder))]
[JsonSerializable(typeof(RedeployOrder))]
[JsonSerializable(typeof(RunOrder))]
[JsonSerializable(typeof(TokenOrder))]
[JsonSerializable(typeof(TokenMade))]
[JsonSerializable(typeof(KeyOrder))]
[JsonSerializable(typeof(KeySummary))]
[JsonSerializable(typeof(Page<KeySummary>))]
[JsonSerializable(typeof(UserOrder))]
[JsonSerializable(typeof(UserChange))]
[JsonSerializable(typeof(PasswordOrder))]
[JsonSerializable(typeof(UserSummary))]
[JsonSerializable(typeof(Page<UserSummary>))]
[JsonSerializable(typeof(RoleOrder))]
[JsonSerializable(typeof(RoleSummary))]
[JsonSerializable(typeof(Page<RoleSummary>))]
[JsonSerializable(typeof(WhoAmI))]
[JsonSerializable(typeof(AuditRecord))]
[JsonSerializable(typeof(Page<AuditRecord>))]
[JsonSerializable(typeof(AuditCheck))]
[JsonSerializable(typeof(DomainList))]
[JsonSerializable(typeof(DomainOrder))]
[JsonSerializable(typeof(MaintenanceOrder))]
[JsonSerializable(typeof(Page<TrafficSummary>))]
[JsonSerializable(typeof(Problem))]
public sealed partial class ContractJson : JsonSerializerContext;
