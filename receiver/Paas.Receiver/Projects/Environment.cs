namespace Paas.Receiver.Projects;

/// <summary>What kind of platform an environment is (RFC, "The different environment platforms"). preprod, qa and test are staging (A7).</summary>
enum EnvironmentType
{
    Dev,
    Staging,
    Prod,
}

/// <summary>How a project is deployed and run (R7.*).</summary>
enum Mode
{
    Editable,
    Cooking,
    Final,
}

/// <summary>A platform that projects live on, as wanted. Immutable; a change is a new value.</summary>
/// <param name="Root">Absolute directory that holds the RFC's layout (R5.*).</param>
/// <param name="IsDefault">Its <c>&lt;env&gt;/</c> may be left out of addresses.</param>
sealed record Environment(EnvironmentName Name, Guid Uuid, EnvironmentType Type, Mode Mode, string Root, bool IsDefault)
{
    /// <summary>dev → editable, staging → cooking, prod → final (A7).</summary>
    public static Mode ModeOf(EnvironmentType type) => type switch
    {
        EnvironmentType.Dev => Mode.Editable,
        EnvironmentType.Staging => Mode.Cooking,
        _ => Mode.Final,
    };

    /// <summary>Reads a platform type as people write it. preprod, qa and test are staging (A7).</summary>
    public static EnvironmentType? TypeOf(string text) => text switch
    {
        "dev" => EnvironmentType.Dev,
        "staging" or "preprod" or "qa" or "test" => EnvironmentType.Staging,
        "prod" => EnvironmentType.Prod,
        _ => null,
    };
}
