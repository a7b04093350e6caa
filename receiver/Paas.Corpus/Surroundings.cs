namespace Paas.Corpus;

/// <summary>What a command sees of the world around it; a test gives it another one.</summary>
sealed record Surroundings
{
    public required TextWriter Out { get; init; }

    public required TextWriter Error { get; init; }

    /// <summary>Standard input, read by lines.</summary>
    public TextReader In { get; init; } = TextReader.Null;

    /// <summary>Both outputs for bytes that are passed on as they are.</summary>
    public Stream RawOut { get; init; } = Stream.Null;

    public Stream RawError { get; init; } = Stream.Null;

    /// <summary>The current directory.</summary>
    public required string Directory { get; init; }

    public required string Home { get; init; }

    /// <summary>An environment variable; null when it is not set or empty.</summary>
    public required Func<string, string?> Variable { get; init; }

    /// <summary>The one receiver that may be spoken to, where the command runs inside of it for somebody who came by ssh; null is any.</summary>
    public Uri? Only { get; init; }

    /// <summary>Standard input and outputs are this process's own: a program may be given them as they are.</summary>
    public bool IsTheProcess { get; init; }

    /// <summary>Somebody looks at <see cref="Out"/>, on a terminal that can move its cursor.</summary>
    public bool IsTerminal { get; init; }

    /// <summary><c>--json</c> was given.</summary>
    public bool Json { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>How long a log that broke off is tried again before the command gives up.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(60);

    public static Surroundings OfThisProcess() => new()
    {
        Out = Console.Out,
        Error = Console.Error,
        In = Console.In,
        RawOut = Console.OpenStandardOutput(),
        RawError = Console.OpenStandardError(),
        IsTheProcess = true,
        IsTerminal = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb"),
        Directory = Environment.CurrentDirectory,
        Home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile),
        Variable = name => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null,
    };
}

/// <summary>Ends the command with a message and one of contract.md's exit codes.</summary>
sealed class CorpusException(int exitCode, string message, string? next = null) : Exception(message)
{
    public int ExitCode => exitCode;

    /// <summary>The command that helps from here.</summary>
    public string? Next => next;

    /// <summary>The receiver's, where it was the receiver that said so.</summary>
    public int? Status { get; init; }
}

/// <summary>contract.md's exit codes.</summary>
static class Exit
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int Usage = 2;
    public const int Unreachable = 3;
    public const int NotAllowed = 4;
}
