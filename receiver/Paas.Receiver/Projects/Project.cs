namespace Paas.Receiver.Projects;

/// <summary>A project in its environment, and where everything of it is on disk (R5.*). Forming a path from a project creates nothing.</summary>
sealed record Project(Environment Environment, ProjectName Name)
{
    /// <summary><c>env/name</c>: unique in the receiver, readable in logs and a key in tables.</summary>
    public string Key => $"{Environment.Name}/{Name}";

    public string Directory => Path.Combine(Environment.Root, "projects", Name.Value);

    /// <summary>R5.1: the bare repository code is pushed to.</summary>
    public string ProjectRepository => Path.Combine(Directory, "git", "project");

    /// <summary>R5.2: the bare repository configuration is pushed to.</summary>
    public string PillarRepository => Path.Combine(Directory, "git", "pillar");

    /// <summary>R5.3: the working copy of what is deployed.</summary>
    public string Checkout => Path.Combine(Directory, "project");

    /// <summary>R5.4.</summary>
    public string PillarCheckout => Path.Combine(Directory, "pillar");

    /// <summary>R5.5: everything persistent.</summary>
    public string Data => Path.Combine(Directory, "data");

    /// <summary>R5.6: scratch space and build caches; drafts are made here.</summary>
    public string Build => Path.Combine(Directory, "build");

    /// <summary>What the next draft is begun from: linked beforehand, while nobody waits.</summary>
    public string Spare => Path.Combine(Build, "spare");

    /// <summary>R5.7: where the application lives, the same path in every mode and release.</summary>
    public string Run => Path.Combine(Directory, "run");

    /// <summary>R5.8: one directory per release.</summary>
    public string Deploy => Path.Combine(Directory, "deploy");

    /// <summary>R5.8: the link to the live release's directory.</summary>
    public string Current => Path.Combine(Deploy, "current");

    /// <summary>R5.15, A3.</summary>
    public string Releases => Path.Combine(Directory, "releases");

    /// <summary>R5.16, A3.</summary>
    public string Archives => Path.Combine(Directory, "archives");

    public override string ToString() => Key;
}

/// <summary>
/// A release's directory name, <c>&lt;DATETIME&gt;-&lt;UUID&gt;</c> (R5.8): sorts by time, within a second too (version 7), never repeats.
/// Release, archive and deliverable of one deployment share it.
/// </summary>
sealed record ReleaseId
{
    ReleaseId(string value) => Value = value;

    public string Value { get; }

    public static ReleaseId New(TimeProvider time) => new($"{time.GetUtcNow():yyyyMMdd'T'HHmmss'Z'}-{Guid.CreateVersion7(time.GetUtcNow())}");

    /// <summary>Null when the text is not such a name; so a path is never formed from one that is not.</summary>
    public static ReleaseId? TryParse(string? text) =>
        text is { Length: 53 } && text[8] == 'T' && text[15] == 'Z' && text[16] == '-'
        && text[..8].All(char.IsAsciiDigit) && text[9..15].All(char.IsAsciiDigit) && Guid.TryParseExact(text[17..], "D", out _)
            ? new ReleaseId(text) : null;

    public override string ToString() => Value;
}
