using System.Text.RegularExpressions;

namespace Paas.Receiver.Manifests;

/// <summary>Reads the <c>container</c> part of a <c>paas</c> section.</summary>
static partial class ContainerReader
{
    /// <summary>Megabytes; an engine gives a container no less.</summary>
    const int LeastMemory = 6;

    const int MostMemory = 1 << 24;

    public static ContainerSection Read(Fields? section)
    {
        if (section is null)
        {
            return new ContainerSection();
        }

        var (image, bottom) = (Named("image"), Named("base"));
        if (image is not null && bottom is not null)
        {
            section.Mistake("base", "says what to put the tree into, and 'image' that it is not needed: one of both");
        }

        var (port, memory, reservation) = (Optional("port", 1, 65_535), Optional("memory", LeastMemory, MostMemory), Optional("reservation", 1, MostMemory));
        if (reservation > memory)
        {
            section.Mistake("reservation", $"{reservation} is more than the memory, {memory}");
        }

        var make = section.Text("make");
        if (make is not null && !ContainerSection.Targets.Contains(make))
        {
            section.Mistake("make", $"{Mistakes.Quote(make)} is neither {string.Join(" nor ", ContainerSection.Targets)}");
        }
        else if (make is not null && (image ?? bottom) is not null)
        {
            section.Mistake("make", "makes the image, and 'image' or 'base' says which there is: one of them");
        }

        var readOnly = section.Flag("read_only");
        section.NoOthers();
        return new ContainerSection(image, bottom, port, memory, reservation, readOnly, make);

        string? Named(string key)
        {
            var name = section.Text(key);
            if (name is not null && !Reference().IsMatch(name))
            {
                section.Mistake(key, $"{Mistakes.Quote(name)} is neither an image such as HOST/NAME:TAG nor :TAG or @sha256:… of the project's own");
            }

            return name;
        }

        int? Optional(string key, int least, int most) => section.Take(key) is null ? null : section.Number(key, least, least, most);
    }

    [GeneratedRegex(@"\A(?:[a-zA-Z0-9][a-zA-Z0-9._:/-]{0,254})?(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[a-f0-9]{64})?\z(?<!\A)", RegexOptions.None, 1000)]
    private static partial Regex Reference();
}
