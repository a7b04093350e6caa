using System.Text.Json;
using System.Text.Json.Serialization;

namespace Paas.Receiver.Notifications;

/// <summary>What people and programs are told (R9.13, R10.14, R13.4): an event, a line, a text for people and the facts for programs. Immutable.</summary>
sealed record Notice
{
    static readonly JsonSerializerOptions Web = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    /// <summary>The same at every try, so that whoever hears it twice can tell.</summary>
    public required string Id { get; init; }

    /// <summary><c>deployment</c>, <c>access</c>, <c>crash-loop</c>, <c>quota</c>.</summary>
    public required string Event { get; init; }

    /// <summary>One line.</summary>
    public required string Subject { get; init; }

    /// <summary>Several lines.</summary>
    public required string Text { get; init; }

    /// <summary>The facts, by names that do not change.</summary>
    public required IReadOnlyDictionary<string, string?> Facts { get; init; }

    public string ToJson() => JsonSerializer.Serialize(this, Web);

    public static Notice FromJson(string text) => JsonSerializer.Deserialize<Notice>(text, Web)!;

    /// <summary>What a program is sent: the event, the id and the facts in one object.</summary>
    public byte[] Body()
    {
        var all = new Dictionary<string, string?> { ["event"] = Event, ["id"] = Id, ["subject"] = Subject };
        foreach (var (name, value) in Facts.Where(fact => fact.Value is not null))
        {
            all[name] = value;
        }

        return JsonSerializer.SerializeToUtf8Bytes(all, Web);
    }
}

/// <summary>Where a notice goes.</summary>
/// <param name="Channel">The name of an <see cref="INotificationChannel"/>.</param>
/// <param name="Target">Its own kind of address.</param>
/// <param name="Secret">What it signs with; null where it signs nothing.</param>
sealed record Recipient(string Channel, string Target, string? Secret = null);

/// <summary>One way of telling. Several of them, found by <see cref="Name"/>.</summary>
interface INotificationChannel
{
    string Name { get; }

    /// <summary>Why this address can never be told, in words for whoever configured it; null when it can be tried.</summary>
    string? WhyNot(Recipient recipient);

    /// <summary>Returns once the other side has taken it.</summary>
    /// <exception cref="UndeliverableException">Trying again would not help.</exception>
    Task SendAsync(Notice notice, Recipient recipient, CancellationToken ct);
}

/// <summary>The other side has refused for good.</summary>
sealed class UndeliverableException(string why, Exception? inner = null) : Exception(why, inner);
