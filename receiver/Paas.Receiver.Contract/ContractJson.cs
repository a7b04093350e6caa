using System.Text.Json.Serialization;

namespace Paas.Receiver.Contract;

/// <summary>How the records travel, generated when this is built: neither side looks at types while it runs.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    AllowDuplicateProperties = false)]
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
[JsonSerializable(typeof(TokenOrder))]
[JsonSerializable(typeof(TokenMade))]
[JsonSerializable(typeof(Problem))]
public sealed partial class ContractJson : JsonSerializerContext;
